import { Module } from '@nestjs/common';
import type { ServiceContext, ServiceDefinition } from '@sallyport/runtime';
import { BridgeMetrics } from './bridges/bridge-metrics.js';
import { BridgesController } from './bridges/bridges.controller.js';
import { Bridges } from './bridges/bridges.js';
import { Planes } from './bridging/planes.js';
import { ThisThread } from './bridging/this-thread.js';
import { WorkerThread } from './worker/worker-thread.js';

export interface MqttBridgeOptions {
  /**
   * The bundle of the worker, for a process that serves devices too: no message of a bridge passes through its event
   * loop. Absent: the bridges run in the thread of the service.
   */
  readonly worker?: URL;
}

@Module({})
class MqttBridgeModule {}

/** The bridges to the clouds. The store keeps the leases: of several replicas, one bridges. */
export function mqttBridge({ worker }: MqttBridgeOptions = {}): ServiceDefinition {
  return {
    name: 'mqtt-bridge',
    needs: { mqtt: true, store: true },
    module: (context) => ({
      module: MqttBridgeModule,
      controllers: [BridgesController],
      providers: [Bridges, BridgeMetrics, { provide: Planes, useFactory: () => planesOf(worker, context) }],
    }),
  };
}

function planesOf(worker: URL | undefined, { log }: ServiceContext): Planes {
  if (worker === undefined) return new ThisThread();
  return new WorkerThread({
    entry: worker,
    onFault: (error) => log.error({ error }, 'the thread of the bridges has ended, it starts again'),
  });
}
