import { loadSettings, type Settings } from '@sallyport/config';
import { connectMqtt, connectRpcClient, type Mqtt, type MqttConnection, type RpcClient } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import { type Store, scopedStore } from '@sallyport/store';
import { Registry } from 'prom-client';
import { type Clock, SystemClock } from './clock.js';
import { openConfiguredStore } from './configured-store.js';
import { type Log, openLog } from './log.js';
import { networkConnection } from './network-connection.js';
import { Readiness } from './readiness.js';
import { ServiceContext } from './service-context.js';
import type { ServiceDefinition } from './service-definition.js';
import { ServiceHost } from './service-host.js';
import { startArguments } from './start-arguments.js';

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
}

/** Services started in the order given; stopping goes the other way. */
export class RunningServices {
  private readonly abort = new AbortController();
  private readonly running: { host: ServiceHost; mqtt: Mqtt; rpc: RpcClient & { close(): Promise<void> } }[] = [];

  constructor(private readonly resources: ProcessResources) {}

  /**
   * Starts one more service. When it fails, those already started keep running: the caller decides.
   *
   * @throws Problem `config-invalid`, `conflict`: as the service says.
   */
  async start(definition: ServiceDefinition): Promise<ServiceHost> {
    const { resources } = this;
    const mqttConnection = resources.connectionFor(definition.name);
    const mqtt = await connectMqtt(mqttConnection, { signal: this.abort.signal });
    const rpc = await connectRpcClient(mqttConnection);
    const readiness = new Readiness();
    readiness.add('mqtt', () => (mqtt.isConnected ? undefined : 'is not connected to the broker'));
    readiness.add('store', () => answersQuickly(resources.store));
    const context = new ServiceContext({
      name: definition.name,
      settings: resources.settings,
      readSettings: resources.readSettings,
      log: resources.log.child({ service: definition.name }),
      metrics: new Registry(),
      readiness,
      store: scopedStore(resources.store, `${definition.name}/`),
      mqtt,
      mqttConnection,
      rpc,
      clock: resources.clock,
      signal: this.abort.signal,
    });
    const host = await ServiceHost.start(definition, context);
    this.running.push({ host, mqtt, rpc });
    return host;
  }

  /** Stops every service, the last started first. Safe to call twice. */
  async stop(): Promise<void> {
    const stopping = this.running.splice(0).reverse();
    for (const { host } of stopping) await host.stop();
    this.abort.abort();
    for (const { mqtt, rpc } of stopping) {
      await rpc.close();
      await mqtt.close();
    }
  }
}

async function answersQuickly(store: Store): Promise<string | undefined> {
  await store.get('readiness/probe');
  return undefined;
}

/** Runs one service in this process until SIGINT or SIGTERM, on the broker and the store its settings name. */
export async function runService(definition: ServiceDefinition): Promise<void> {
  const given = startArguments(definition.name);
  if (given === undefined) return;
  const log = openLog();
  await runUntilSignal(log, async () => {
    const { env, cwd, options } = given;
    const inputs = { ...options, env, cwd };
    const readSettings = async () => (await loadSettings(inputs)).settings;
    const { settings, warnings } = await loadSettings(inputs);
    for (const warning of warnings) log.warn({ warning }, 'configuration needs attention');
    const store = await openConfiguredStore(settings);
    const connectionFor = (service: ServiceName) => networkConnection(settings, service);
    const services = new RunningServices({
      settings,
      readSettings,
      log,
      clock: new SystemClock(),
      store,
      connectionFor,
    });
    await services.start(definition);
    return async () => {
      await services.stop();
      await store.close();
    };
  });
}

/**
 * Starts, waits for SIGINT or SIGTERM, stops. A fault nobody caught ends the process with exit code 1, after the stop;
 * a second signal ends it at once.
 *
 * @param start resolves to what stops everything again
 */
export async function runUntilSignal(log: Log, start: () => Promise<() => Promise<void>>): Promise<void> {
  let stop: (() => Promise<void>) | undefined;
  try {
    const signalled = nextSignal(log);
    stop = await start();
    process.exitCode = await signalled;
  } catch (error) {
    log.error({ error }, 'start failed');
    process.exitCode = 1;
  }
  await stop?.();
  process.exit();
}

function nextSignal(log: Log): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = (): void => {
      if (isStopping) process.exit(130);
      isStopping = true;
      resolve(0);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    process.on('uncaughtException', (error) => {
      log.error({ error }, 'a fault was not caught');
      resolve(1);
    });
  });
}
