import type { Settings } from '@sallyport/config';
import { connectMqtt, connectRpcClient, type Mqtt, type MqttConnection, type OpenRpcClient } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import { type Store, scopedStore } from '@sallyport/store';
import { Registry } from 'prom-client';
import type { Clock } from './clock.js';
import { FaultLog } from './fault-log.js';
import type { Log } from './log.js';
import { Readiness } from './readiness.js';
import { ServiceContext } from './service-context.js';
import type { ServiceDefinition } from './service-definition.js';
import { ServiceHost } from './service-host.js';
import { type Stoppable, stopInTurn } from './stop-in-turn.js';
import { untilAvailable } from './until-available.js';

/** What the services of one process share. */
export interface ProcessResources {
  readonly settings: Settings;
  readonly readSettings: () => Promise<Settings>;
  readonly log: Log;
  readonly clock: Clock;
  /** The whole store; each service is given its own prefix of it. */
  readonly store: Store;
  /** How a service reaches the broker; every service has an MQTT session of its own. */
  readonly connectionFor: (service: ServiceName) => MqttConnection;
  /** How long all services together may take to stop, in milliseconds; default 10 000. */
  readonly stopBudgetMs?: number;
}

// Doors drain for 5 s; what comes after the services, such as the store, needs some of the time there is.
const defaultStopBudgetMs = 10_000;

/** A service's way to the others. */
interface Link {
  readonly mqttConnection: MqttConnection;
  readonly mqtt: Mqtt;
  readonly rpc: OpenRpcClient;
  readonly mqttFaults: FaultLog;
}

/** Services started in the order given; stopping goes the other way. */
export class RunningServices {
  private readonly abort = new AbortController();
  /** Of everything opened, the last opened at the end. */
  private readonly opened: Stoppable[] = [];

  constructor(private readonly resources: ProcessResources) {}

  /**
   * Starts one more service, once the broker is there. When it fails, `stop` closes what it had opened, and those already
   * started keep running until then.
   *
   * @throws Problem `config-invalid`, `conflict`: as the service says.
   */
  async start(definition: ServiceDefinition): Promise<ServiceHost> {
    const log = this.resources.log.child({ service: definition.name });
    const link = await this.connect(definition.name, log);
    const host = await ServiceHost.start(definition, this.contextOf(definition.name, log, link));
    this.opened.push({ name: definition.name, stop: () => host.stop() });
    return host;
  }

  /**
   * Stops every service, the last started first. Safe to call twice.
   *
   * @throws the first fault, when one of them failed to stop or took too long; the others are stopped all the same
   */
  async stop(): Promise<void> {
    const { log, stopBudgetMs = defaultStopBudgetMs } = this.resources;
    try {
      await stopInTurn(this.opened.splice(0).reverse(), log, stopBudgetMs);
    } finally {
      this.abort.abort();
    }
  }

  private async connect(service: ServiceName, log: Log): Promise<Link> {
    const mqttConnection = this.resources.connectionFor(service);
    const place = mqttConnection.kind === 'network' ? { broker: mqttConnection.url } : {};
    const mqttFaults = new FaultLog(log, this.resources.clock, 'MQTT fault, will be tried again', place);
    const onFault = mqttFaults.note;
    const mqtt = await untilAvailable(() => connectMqtt(mqttConnection, { onFault }), onFault);
    this.opened.push({ name: `MQTT of ${service}`, stop: () => mqtt.close() });
    mqtt.onReconnect(() => log.info(place, 'connected to the MQTT broker again'));
    const rpc = await untilAvailable(() => connectRpcClient(mqttConnection, { onFault }), onFault);
    this.opened.push({ name: `RPC of ${service}`, stop: () => rpc.close() });
    return { mqttConnection, mqtt, rpc, mqttFaults };
  }

  private contextOf(name: ServiceName, log: Log, link: Link): ServiceContext {
    const { settings, readSettings, store, clock } = this.resources;
    const readiness = new Readiness();
    const isConnected = () => link.mqtt.isConnected && link.rpc.isConnected;
    readiness.add('mqtt', () => (isConnected() ? undefined : 'is not connected to the broker'));
    readiness.add('store', () => answersQuickly(store));
    return new ServiceContext({
      ...link,
      name,
      settings,
      readSettings,
      log,
      metrics: new Registry(),
      readiness,
      store: scopedStore(store, `${name}/`),
      clock,
      signal: this.abort.signal,
    });
  }
}

async function answersQuickly(store: Store): Promise<string | undefined> {
  await store.get('readiness/probe');
  return undefined;
}
