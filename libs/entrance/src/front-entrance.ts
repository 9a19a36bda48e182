import { entranceDefinition } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import type { Entrance, EntranceOptions } from './entrance.js';
import type { Entrances } from './entrances.js';
import type { SecurityInForce, SecuritySource } from './security-source.js';

/** Entrances that are always TLS, with a certificate that their service gets from the signer by itself. */
export type FrontGroup = 'connector' | 'connector.mqtt' | 'coap';

export interface FrontEntranceOptions extends Pick<EntranceOptions, 'handler' | 'connectorOf' | 'leafRule' | 'limits'> {
  readonly group: FrontGroup;
  readonly context: ConnectedContext;
  readonly opener: Entrances;
  readonly read: () => Promise<SecurityInForce>;
}

/** One entrance of such a service: not open until there is a certificate to show. */
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
    const { group, context: _, opener, read: __, ...options } = this.options;
    const { name, permittedKinds = [] } = entranceDefinition(group);
    try {
      this.entrance = await opener.open({
        ...options,
        name,
        source: this.source(),
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
