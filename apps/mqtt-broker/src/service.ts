import { type DynamicModule, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { EntranceModule, Entrances } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { answerRefused } from './refusal-answer.js';

/** Opens the embedded broker to MQTT clients of the network. The services of this process reach it without an entrance. */
@Injectable()
class BrokerEntrance implements OnApplicationBootstrap {
  constructor(
    private readonly entrances: Entrances,
    private readonly broker: EmbeddedBroker,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.openConfigured('mqtt', {
      handler: {
        stream: (connection) => {
          this.broker.accept(connection.socket, connection.peer);
          // The broker has no words for a client that has to go. The client comes back by itself.
          connection.draining.addEventListener('abort', () => connection.close());
        },
        refuseStream: answerRefused,
      },
    });
  }
}

@Module({})
class MqttBrokerModule {}

/** The service round an embedded broker that already runs. */
export function mqttBroker(broker: EmbeddedBroker): ServiceDefinition {
  const module: DynamicModule = {
    module: MqttBrokerModule,
    imports: [EntranceModule],
    providers: [BrokerEntrance, { provide: EmbeddedBroker, useValue: broker }],
  };
  // The broker has its store already; readiness tells of it here.
  return { name: 'mqtt-broker', needs: { store: true, mqtt: true, rpc: true }, module: () => module };
}
