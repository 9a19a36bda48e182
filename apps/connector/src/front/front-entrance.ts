import type { Entrance, Entrances, SecurityInForce, SecuritySource } from '@sallyport/entrance';
import { type ConnectorName, type EntranceGroup, entranceDefinition } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import type { ListenerHandler } from '@sallyport/tls';

export type FrontGroup = Extract<EntranceGroup, 'connector' | 'connector.mqtt'>;

export interface FrontEntranceOptions {
  readonly group: FrontGroup;
  readonly handler: ListenerHandler;
  readonly context: ConnectedContext;
  readonly opener: Entrances;
  readonly connectorOf: (serverName: string | undefined) => ConnectorName | undefined;
  readonly read: () => Promise<SecurityInForce>;
}

/** One entrance of the connector: not open until there is a certificate to show. */
export class FrontEntrance {
  private entrance: Entrance | undefined;
  private fault: unknown;

  constructor(private readonly options: FrontEntranceOptions) {}

  /**
   * Opens it, or makes it read its security again.
   *
   * @throws what keeps it from that
   */
  async putInForce({ isChanged }: { readonly isChanged: boolean }): Promise<void> {
    if (this.entrance === undefined) await this.open();
    else if (isChanged) await this.entrance.apply();
  }

  /** @throws what kept it from opening although there was a certificate, such as a taken address */
  requireNoFault(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  private async open(): Promise<void> {
    const { group, handler, opener, connectorOf } = this.options;
    const { name, permittedKinds = [] } = entranceDefinition(group);
    try {
      this.entrance = await opener.open({
        name,
        source: this.source(),
        handler,
        connectorOf,
        permittedKinds: new Set(permittedKinds),
      });
      this.fault = undefined;
    } catch (error) {
      this.fault = error;
      throw error;
    }
  }

  private source(): SecuritySource {
    const { group, context, read } = this.options;
    const address = () => {
      const { settings } = context;
      return { host: settings.require(`${group}.bind.address`), port: settings.require(`${group}.bind.port`) };
    };
    return { group, address, read };
  }
}
