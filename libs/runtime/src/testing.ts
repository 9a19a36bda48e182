import { join } from 'node:path';
import { loadSettings } from '@sallyport/config';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { connectMqtt, connectRpcClient, type MqttConnection } from '@sallyport/mqtt';
import type { ServiceName } from '@sallyport/protocol';
import { openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { Registry } from 'prom-client';
import { SystemClock } from './clock.js';
import { Readiness } from './health/readiness.js';
import { openLog } from './log.js';
import { ConnectedContext, type ConnectedContextOptions } from './service-context.js';

const closers = new WeakMap<TestContext, () => Promise<void>>();

interface TestParts {
  readonly store: Store;
  readonly mqttConnection: MqttConnection;
}

/** A context with everything a service may need, and the way to its broker. */
export class TestContext extends ConnectedContext {
  readonly store: Store;
  readonly mqttConnection: MqttConnection;

  constructor({ store, mqttConnection, ...options }: ConnectedContextOptions & TestParts) {
    super(options);
    this.store = store;
    this.mqttConnection = mqttConnection;
  }
}

/** A service's context on a broker in memory and a store in the directory. */
export async function openTestContext(directory: string, name: ServiceName = 'agent'): Promise<TestContext> {
  const broker = await TestBroker.start();
  const mqttConnection: MqttConnection = broker.connection(`test-${name}`);
  const readSettings = async () => (await loadSettings({ configDir: directory, env: {}, cwd: directory })).settings;
  const [settings, mqtt, rpc] = [
    await readSettings(),
    await connectMqtt(mqttConnection),
    await connectRpcClient(mqttConnection),
  ];
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  const abort = new AbortController();
  const context = new TestContext({
    name,
    settings,
    readSettings,
    log: openLog({ level: 'silent' }),
    metrics: new Registry(),
    readiness: new Readiness(),
    store: scopedStore(store, `${name}/`),
    mqtt,
    mqttConnection,
    rpc,
    clock: new SystemClock(),
    signal: abort.signal,
  });
  closers.set(context, async () => {
    abort.abort();
    await rpc.close();
    await mqtt.close();
    await store.close();
    await broker.close();
  });
  return context;
}

export async function closeTestContext(context: TestContext): Promise<void> {
  await closers.get(context)?.();
}
