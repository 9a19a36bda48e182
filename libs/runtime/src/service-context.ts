import type { Settings } from '@sallyport/config';
import type { Mqtt, MqttConnection, RpcClient } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import type { Registry } from 'prom-client';
import type { Clock } from './clock.js';
import { FaultLog } from './fault-log.js';
import type { Log } from './log.js';
import type { Readiness } from './readiness.js';

export interface ServiceContextOptions {
  readonly name: ServiceName;
  readonly settings: Settings;
  readonly readSettings: () => Promise<Settings>;
  readonly log: Log;
  readonly metrics: Registry;
  readonly readiness: Readiness;
  readonly store: Store;
  readonly mqtt: Mqtt;
  readonly mqttConnection: MqttConnection;
  readonly rpc: RpcClient;
  /** Where faults of the service's MQTT sessions go; one of its own when absent. */
  readonly mqttFaults?: FaultLog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What a service is given to work with; a class so that Nest can inject it. */
export class ServiceContext {
  readonly name: ServiceName;
  readonly log: Log;
  /** The service's own Prometheus registry, shown at `/metrics`. */
  readonly metrics: Registry;
  readonly readiness: Readiness;
  /** Scoped: every key lies below the service's own prefix. */
  readonly store: Store;
  readonly mqtt: Mqtt;
  readonly mqttConnection: MqttConnection;
  readonly rpc: RpcClient;
  readonly mqttFaults: FaultLog;
  readonly clock: Clock;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
  private currentSettings: Settings;

  constructor(private readonly options: ServiceContextOptions) {
    this.name = options.name;
    this.log = options.log;
    this.metrics = options.metrics;
    this.readiness = options.readiness;
    this.store = options.store;
    this.mqtt = options.mqtt;
    this.mqttConnection = options.mqttConnection;
    this.rpc = options.rpc;
    this.mqttFaults = options.mqttFaults ?? new FaultLog(options.log, options.clock, 'MQTT fault, will be tried again');
    this.clock = options.clock;
    this.signal = options.signal;
    this.currentSettings = options.settings;
  }

  /** The settings as last read. */
  get settings(): Settings {
    return this.currentSettings;
  }

  /**
   * Reads the settings again from file and environment.
   *
   * @throws Problem `config-invalid`: the old settings stay in force.
   */
  async reloadSettings(): Promise<Settings> {
    this.currentSettings = await this.options.readSettings();
    return this.currentSettings;
  }
}
