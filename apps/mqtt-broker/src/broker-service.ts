import { Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EntranceModule, Entrances } from '@sallyport/entrance';
import { answerRefused } from '@sallyport/mqtt-wire';
import type { ConfiguredGroup, SecurityLevel } from '@sallyport/protocol';
import { ConnectedContext, type ServiceDefinition } from '@sallyport/runtime';
import type { Connection, Limits, ListenerHandler } from '@sallyport/tls';
import { BrokerController } from './broker.controller.js';
import { type BrokerChoice, ServingBroker, servingBroker } from './serving-broker.js';
import { webSocketEntrance } from './websocket/web-socket-entrance.js';

/** A fleet keeps its connections open, and comes back all at once after a change of level. */
export const brokerLimits: Partial<Limits> = { connections: 20_000 };

/** Opens the MQTT entrances, to the same broker. The services of this process reach it without them. */
@Injectable()
class BrokerEntrance implements OnApplicationBootstrap {
  /** Of each entrance that is open, or was. */
  private readonly levels = new Map<ConfiguredGroup, SecurityLevel>();

  constructor(
    private readonly entrances: Entrances,
    private readonly broker: ServingBroker,
    private readonly context: ConnectedContext,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const stream = (connection: Connection) => this.broker.serve(connection);
    const handler = { stream, refuseStream: answerRefused, limits: brokerLimits };
    await this.open('mqtt', handler);
    await this.open('mqtt.external', handler);
    await this.open(
      'mqtt.websocket',
      webSocketEntrance(stream, {
        limits: brokerLimits,
        allowedHosts: () => this.context.settings.get('mqtt.websocket.allowed_hosts'),
      }),
    );
    // Not at a change of level: it may fail at another entrance, and is then taken back.
    if (this.isMutual) this.broker.endAnonymous();
  }

  private async open(group: ConfiguredGroup, handler: ListenerHandler): Promise<void> {
    await this.entrances.openConfigured(group, { handler, takeOver: (level) => () => this.note(group, level) });
  }

  private note(group: ConfiguredGroup, level: SecurityLevel): void {
    this.levels.set(group, level);
    this.broker.admitAnonymous(!this.isMutual);
  }

  private get isMutual(): boolean {
    const levels = [...this.levels.values()];
    return levels.length > 0 && levels.every((level) => level === 'mutual');
  }
}

@Module({})
class MqttBrokerModule {}

/** The MQTT entrance, in front of an embedded broker that already runs, or of another broker. */
export function mqttBroker(choice: BrokerChoice): ServiceDefinition {
  const needs = { mqtt: true, rpc: true } as const;
  const broker = {
    provide: ServingBroker,
    inject: [ConnectedContext],
    useFactory: (context: ConnectedContext) => servingBroker(choice, context),
  };
  return {
    name: 'mqtt-broker',
    // The embedded broker has its store already; readiness tells of it here.
    needs: choice.kind === 'embedded' ? { ...needs, store: true } : needs,
    module: () => ({
      module: MqttBrokerModule,
      imports: [EntranceModule],
      controllers: [BrokerController],
      providers: [BrokerEntrance, broker],
    }),
  };
}
