import { loadSettings } from '@sallyport/config';
import { connectMqtt, connectRpcClient, type Mqtt, type RpcClient } from '@sallyport/mqtt';
import { type Clock, openLog, RunningServices, type ServiceHost } from '@sallyport/runtime';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnMosquitto, spawnRedis, temporaryDirectory } from '@sallyport/testkit';
import { deviceRegistry } from './service.js';
import { recordSite } from './site/recorded-site.fixture.js';

export interface ReplicaOptions {
  readonly engine: 'SQLite' | 'Redis';
  /** Ends of their client ids. */
  readonly names: readonly string[];
  readonly clock: Clock;
}

/** Registries of one site: each with settings of its own, and all with one store and one Mosquitto. */
export class RegistryReplicas implements AsyncDisposable {
  readonly hosts: ServiceHost[] = [];

  private constructor(
    /** Whatever is deferred here ends before the replicas do. */
    readonly opened: AsyncDisposableStack,
    readonly store: Store,
    /** A client whose requests reach whichever replica the broker chooses. */
    readonly rpc: RpcClient,
    private readonly brokerUrl: string,
  ) {}

  static async start({ engine, names, clock }: ReplicaOptions): Promise<RegistryReplicas> {
    await using opened = new AsyncDisposableStack();
    const { url } = opened.adopt(await spawnMosquitto({ config: ['set_tcp_nodelay true'] }), (broker) => broker.kill());
    const openStore = await storeOpener(engine, opened);
    const openOne = async () => opened.adopt(await openStore(), (store) => store.close());
    const store = await openOne();
    await recordSite(store);
    const rpc = opened.adopt(await connectRpcClient({ kind: 'network', url, clientId: 'entrance' }), (client) =>
      client.close(),
    );
    const replicas = new RegistryReplicas(opened.move(), store, rpc, url);
    try {
      for (const name of names) await replicas.startOne(name, { store: await openStore(), clock });
      return replicas;
    } catch (error) {
      await replicas[Symbol.asyncDispose]();
      throw error;
    }
  }

  async connect(clientId: string): Promise<Mqtt> {
    return this.opened.adopt(await connectMqtt({ kind: 'network', url: this.brokerUrl, clientId }), (mqtt) =>
      mqtt.close(),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.opened.disposeAsync();
  }

  private async startOne(name: string, { store, clock }: { readonly store: Store; readonly clock: Clock }) {
    const { opened, brokerUrl: url } = this;
    opened.defer(() => store.close());
    const directory = opened.adopt(temporaryDirectory(), (folder) => folder.remove());
    const env = { TEDGE_RUN_PATH: directory.file('run') };
    const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
    const services = new RunningServices({
      settings,
      readSettings: async () => settings,
      log: openLog({ destination: { write: () => undefined } }),
      clock,
      store,
      connectionFor: (service) => ({ kind: 'network', url, clientId: `${service}-${name}` }),
    });
    opened.defer(() => services.stop());
    this.hosts.push(await services.start(deviceRegistry));
  }
}

/** Each replica opens the one store. */
async function storeOpener(
  engine: ReplicaOptions['engine'],
  opened: AsyncDisposableStack,
): Promise<() => Promise<Store>> {
  if (engine === 'Redis') {
    const { url } = opened.adopt(await spawnRedis(), (redis) => redis.kill());
    return () => openRedisStore({ url });
  }
  const file = opened.adopt(temporaryDirectory(), (directory) => directory.remove()).file('store.db');
  return () => openSqliteStore({ file });
}
