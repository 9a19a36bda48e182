import type { Settings } from '@sallyport/config';
import { connectMqtt, connectRpcClient, type MqttConnection } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import { type Store, scopedStore } from '@sallyport/store';
import { Registry } from 'prom-client';
import type { Clock } from './clock.js';
import { deadLetterReport } from './dead-letter-report.js';
import { FaultLog } from './fault-log.js';
import { MqttHealth } from './health/mqtt-health.js';
import type { ProcessHealth } from './health/process-health.js';
import { Readiness } from './health/readiness.js';
import type { Log } from './log.js';
import { MqttSessions } from './mqtt-sessions.js';
import type { OpenedParts } from './opened-parts.js';
import { ConnectedContext, ServiceContext } from './service-context.js';
import type { ServiceDefinition, ServiceNeeds } from './service-definition.js';
import { ServiceHost } from './service-host.js';
import { SettingsInUse } from './settings-in-use.js';
import { type Stoppable, stopInOrder } from './stop-in-order.js';
import { untilAvailable } from './until-available.js';

/** What the services of one process share. */
export interface ProcessResources {
  readonly settings: Settings;
  readonly readSettings: () => Promise<Settings>;
  readonly log: Log;
  readonly clock: Clock;
  /** The whole store. Each service that needs one gets its own prefix. Absent if no service needs a store. */
  readonly store?: Store;
  /** How a service reaches the broker; every service has an MQTT session of its own. */
  readonly connectionFor: (service: ServiceName, settings: Settings) => MqttConnection;
  /** Watches every service from its start on. */
  readonly health?: ProcessHealth;
  /** How long all services together may take to stop, in milliseconds; default 10 000. */
  readonly stopBudgetMs?: number;
}

// Entrances drain for 5 s. Parts that stop after the services, such as the store, need time too.
const defaultStopBudgetMs = 10_000;

const healthKeys = ['health.bind.address', 'health.bind.port'] as const;
const storeKeys = ['store.url', 'store.password_file', 'data.path'] as const;

/** Starts services in the given order, and stops them in the opposite order. */
export class RunningServices {
  private readonly abort = new AbortController();
  /** Of everything opened, the last opened at the end. */
  private readonly opened: Stoppable[] = [];

  constructor(private readonly resources: ProcessResources) {}

  /**
   * Starts one more service, after the broker has answered. If this fails, the services that already run go on; `stop`
   * closes them and everything that the failed service had opened.
   *
   * @throws Problem `config-invalid`, `conflict`: as the service says.
   */
  async start(definition: ServiceDefinition): Promise<ServiceHost> {
    const log = this.resources.log.child({ service: definition.name });
    const { name, needs } = definition;
    const settingsInUse = this.settingsInUseBy(needs);
    const told = { log, readiness: new Readiness(), metrics: new Registry(), settingsInUse };
    const store = needs.store && this.storeOf(name, told.readiness);
    await definition.beforeConnecting?.(this.contextOf(name, told, {}), store);
    const parts = {
      ...(needs.mqtt || needs.rpc ? await this.connect(definition, told) : {}),
      ...(store === undefined ? {} : { store }),
    };
    const context = this.contextOf(name, told, parts);
    this.resources.health?.watch(context);
    const host = await ServiceHost.start(definition, context, parts);
    this.opened.push({ name: definition.name, stop: () => host.stop() });
    return host;
  }

  /**
   * Stops every service, the last started first. Safe to call twice.
   *
   * @throws the first fault, when one of them failed to stop or took too long; the others are stopped too
   */
  async stop(): Promise<void> {
    const { log, stopBudgetMs = defaultStopBudgetMs } = this.resources;
    try {
      await stopInOrder(this.opened.splice(0).reverse(), log, stopBudgetMs);
    } finally {
      this.abort.abort();
    }
  }

  /** What the process reads of the settings for each of its services before they start. */
  private settingsInUseBy(needs: ServiceNeeds): SettingsInUse {
    const inUse = new SettingsInUse();
    const settings = inUse.follow(this.resources.settings);
    for (const key of [...healthKeys, ...(needs.store ? storeKeys : [])]) settings.get(key);
    return inUse;
  }

  /** Waits until the broker answers. */
  private async connect({ name, needs }: ServiceDefinition, told: Told): Promise<OpenedParts> {
    const { log, readiness, metrics, settingsInUse } = told;
    const connection = this.resources.connectionFor(name, settingsInUse.follow(this.resources.settings));
    const place = connection.kind === 'network' ? { broker: connection.url } : {};
    const faults = new FaultLog(log, this.resources.clock, 'MQTT fault, will be tried again', place);
    const onFault = faults.note;
    const onDeadLetter = deadLetterReport(log, metrics);
    const openMqtt = () => connectMqtt(connection, { owner: name, onFault, onDeadLetter });
    const mqtt = needs.mqtt && (await untilAvailable(openMqtt, onFault));
    if (mqtt !== undefined) {
      this.opened.push({ name: `MQTT of ${name}`, stop: () => mqtt.close() });
      mqtt.onReconnect(() => log.info(place, 'connected to the MQTT broker again'));
    }
    const client = needs.rpc && (await untilAvailable(() => connectRpcClient(connection, { onFault }), onFault));
    if (client !== undefined) this.opened.push({ name: `RPC of ${name}`, stop: () => client.close() });
    const isConnected = () => mqtt?.isConnected !== false && client?.isConnected !== false;
    readiness.add('mqtt', () => (isConnected() ? undefined : 'is not connected to the broker'));
    const sessions = new MqttSessions(connection, name);
    const health = MqttHealth.open({
      service: name,
      sessions,
      settings: settingsInUse.follow(this.resources.settings),
      clock: this.resources.clock,
      onFault,
    });
    if (health !== undefined) this.opened.push({ name: `MQTT health of ${name}`, stop: () => health.close() });
    return {
      ...(mqtt === undefined ? {} : { mqtt, sessions }),
      ...(client === undefined ? {} : { rpc: { client, connection, faults } }),
    };
  }

  private storeOf(name: ServiceName, readiness: Readiness): Store {
    const { store } = this.resources;
    if (store === undefined) throw new Error(`service ${name} needs a store, and this process has opened none`);
    readiness.add('store', () => answersQuickly(store));
    return scopedStore(store, `${name}/`);
  }

  private contextOf(name: ServiceName, told: Told, { mqtt, rpc }: OpenedParts): ServiceContext {
    const { settings, readSettings, clock } = this.resources;
    const options = {
      ...told,
      name,
      settings,
      readSettings,
      clock,
      signal: this.abort.signal,
    };
    if (mqtt === undefined || rpc === undefined) return new ServiceContext(options);
    return new ConnectedContext({ ...options, mqtt, rpc: rpc.client });
  }
}

/** What is made for a service before anything is opened for it. */
interface Told {
  readonly log: Log;
  readonly readiness: Readiness;
  readonly metrics: Registry;
  readonly settingsInUse: SettingsInUse;
}

async function answersQuickly(store: Store): Promise<string | undefined> {
  await store.get('readiness/probe');
  return undefined;
}
