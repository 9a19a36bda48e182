import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AdminClient } from '@sallyport/admin-client';
import { loadSettings } from '@sallyport/config';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { type MqttConnection, type MqttSession, openMqttSession } from '@sallyport/mqtt';
import {
  adminSocketPath,
  type BridgeDescription,
  type BridgeReloadRequest,
  type BridgeReloadResponse,
  deviceId,
  mqttBridgeRoutes,
  type ServiceName,
} from '@sallyport/protocol';
import { openLog, RunningServices, SystemClock } from '@sallyport/runtime';
import { openSqliteStore, type Store } from '@sallyport/store';
import { spawnMosquitto, type TemporaryDirectory, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { type MqttBridgeOptions, mqttBridge } from './bridge-service.js';

/** The local broker of a test: ours, in the process of the service, or a Mosquitto. */
export type LocalBroker = 'embedded broker' | 'Mosquitto' | 'Mosquitto with mutual TLS';

export interface BridgeSiteOptions extends MqttBridgeOptions {
  readonly localBroker?: LocalBroker;
  /** Settings, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The device proves itself with these, and not with a certificate. */
  readonly user?: { readonly name: string; readonly password: string };
}

const device = 'gateway01';

/** How services reach the local broker. */
interface LocalPlace {
  connectionOf(service: ServiceName, replica?: number): MqttConnection;
  /** What the broker has logged. Ours logs nothing here. */
  output(): string;
}

async function localPlace(kind: LocalBroker, opened: AsyncDisposableStack): Promise<LocalPlace> {
  if (kind === 'Mosquitto with mutual TLS') return mutualPlace(opened);
  if (kind === 'Mosquitto') {
    const { url, output } = opened.use(await spawnMosquitto());
    return {
      output,
      connectionOf: (service, replica = 1) => ({ kind: 'network', url, clientId: `sallyport-${service}-${replica}` }),
    };
  }
  const { broker } = opened.use(await TestBroker.start());
  const peerOf = (service: ServiceName) => ({ deviceId: deviceId.parse(service), kind: 'service' }) as const;
  return {
    output: () => '',
    connectionOf: (service) => ({
      kind: 'in-process',
      openStream: () => broker.openStream(service === 'mqtt-bridge' ? peerOf(service) : undefined),
      clientId: `sallyport-${service}`,
    }),
  };
}

/** As `mqtt.client.*` makes it. */
async function mutualPlace(opened: AsyncDisposableStack): Promise<LocalPlace> {
  const ca = opened.use(await TestCa.create());
  const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const { certPem: cert, keyPem: key } = await ca.issue({ commonName: 'services' });
  const caPath = ca.certificate.certPath;
  const tls = { certPath: server.chainPath, keyPath: server.keyPath, caPath };
  const { url, output } = opened.use(await spawnMosquitto({ tls, requireCertificate: true }));
  const material = async () => ({ ca: [ca.certificate.certPem], cert, key });
  return {
    output,
    connectionOf: (service, replica = 1) => ({
      kind: 'network',
      url,
      tls: material,
      clientId: `sallyport-${service}-${replica}`,
    }),
  };
}

/** A client of the local broker that hears everything. */
class LocalClient {
  readonly received: { readonly topic: string; readonly text: string; readonly isRetained: boolean }[] = [];
  readonly session: MqttSession;

  private constructor(local: LocalPlace) {
    this.session = openMqttSession(local.connectionOf('agent'), {
      isDurable: false,
      filters: [{ filter: '#' }],
      window: 100,
      onMessage: ({ topic, payload, isRetained }) =>
        void this.received.push({ topic, text: payload.toString(), isRetained }),
    });
  }

  static async open(local: LocalPlace): Promise<LocalClient> {
    const client = new LocalClient(local);
    await client.session.connected(5_000);
    return client;
  }
}

/** The service while it runs. */
export class RunningBridges {
  readonly admin: AdminClient;

  constructor(
    private readonly services: RunningServices,
    run: string,
  ) {
    const socketPath = adminSocketPath(run, 'mqtt-bridge', process.cwd());
    this.admin = new AdminClient({ service: 'mqtt-bridge', place: { socketPath } });
  }

  async bridges(): Promise<readonly BridgeDescription[]> {
    return (await this.admin.call(mqttBridgeRoutes.list)).bridges;
  }

  /** Waits until the first bridge is in this state. */
  async untilState(state: BridgeDescription['state']): Promise<void> {
    let last: BridgeDescription | undefined;
    const isThere = async () => {
      [last] = await this.bridges();
      return last?.state === state;
    };
    await waitFor(isThere, { what: `state ${state}` }).catch((cause: unknown) => {
      throw new Error(`the bridge is not ${state}: ${JSON.stringify(last)}`, { cause });
    });
  }

  stop(): Promise<void> {
    return this.services.stop();
  }
}

/** A device with a local broker, a cloud that trusts it, and the service that bridges the two. */
export class BridgeSite implements AsyncDisposable {
  readonly settings: Record<string, string>;
  private service: RunningBridges | undefined;

  private constructor(
    private readonly opened: AsyncDisposableStack,
    readonly directory: TemporaryDirectory,
    readonly cloud: FakeCloud,
    private readonly local: LocalPlace,
    private readonly options: BridgeSiteOptions,
    private readonly store: Store,
    private readonly client: LocalClient,
  ) {
    this.settings = {
      'c8y.mqtt': `localhost:${cloud.mqtt.port}`,
      'c8y.http': `localhost:${cloud.api.port}`,
      'c8y.root_cert_path': cloud.caPath,
      'device.cert_path': directory.file('device.pem'),
      'device.key_path': directory.file('device.key'),
      'mqtt.bridge.reconnect_policy.initial_interval': '100ms',
      'cloud.connections': 'c8y',
      ...options.settings,
    };
  }

  /** The cloud, the broker and a client of it run; the service does not. */
  static async prepare(options: BridgeSiteOptions = {}): Promise<BridgeSite> {
    await using opened = new AsyncDisposableStack();
    const directory = opened.use(temporaryDirectory('sp-'));
    const cloud = opened.use(
      await fakeCloud({ devices: [device], ...(options.user === undefined ? {} : { deviceUsers: [options.user] }) }),
    );
    const local = await localPlace(options.localBroker ?? 'embedded broker', opened);
    const store = await openSqliteStore({ file: directory.file('store.db') });
    opened.defer(() => store.close());
    const client = await LocalClient.open(local);
    opened.defer(() => client.session.close());
    const site = new BridgeSite(opened.move(), directory, cloud, local, options, store, client);
    await site.giveCertificate();
    return site;
  }

  /** Everything runs, and the bridge is up. */
  static async open(options: BridgeSiteOptions = {}): Promise<BridgeSite> {
    const site = await BridgeSite.prepare(options);
    await site.start();
    await site.untilState('up');
    return site;
  }

  get admin(): AdminClient {
    return this.running.admin;
  }

  /** Gives the device a new key and a new certificate. */
  async giveCertificate(): Promise<void> {
    const { chainPem, keyPem } = await this.cloud.deviceCa.issue({ commonName: device });
    await writeFile(this.directory.file('device.key'), keyPem, { mode: 0o600 });
    await writeFile(this.directory.file('device.pem'), chainPem);
  }

  async writeFile(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.directory.file(name)), { recursive: true });
    await writeFile(this.directory.file(name), text);
  }

  /** Adds a file with rules for the cloud, or replaces it. */
  giveRules(name: string, text: string): Promise<void> {
    return this.writeFile(`mappers/c8y/bridge/${name}`, text);
  }

  async start(): Promise<void> {
    this.service = await this.startReplica(1);
  }

  /** Starts the service once more, as on another machine: with the same brokers and the same store. */
  async startReplica(replica: number): Promise<RunningBridges> {
    const run = this.directory.file(`run-${replica}`);
    const readSettings = async () => (await loadSettings(this.loadOptions(run))).settings;
    const services = new RunningServices({
      settings: await readSettings(),
      readSettings,
      log: openLog({ level: 'silent' }),
      clock: new SystemClock(),
      store: this.store,
      connectionFor: (service) => this.local.connectionOf(service, replica),
    });
    await services.start(mqttBridge(this.options));
    return new RunningBridges(services, run);
  }

  async stop(): Promise<void> {
    await this.service?.stop();
    this.service = undefined;
  }

  bridges(): Promise<readonly BridgeDescription[]> {
    return this.running.bridges();
  }

  /** Reads settings and rules again. */
  reload(body: BridgeReloadRequest = {}): Promise<BridgeReloadResponse> {
    return this.admin.call(mqttBridgeRoutes.reload, { body });
  }

  untilState(state: BridgeDescription['state']): Promise<void> {
    return this.running.untilState(state);
  }

  /** What the local broker has logged. */
  localOutput(): string {
    return this.local.output();
  }

  /** Publishes as a client of the local broker. */
  async publish(topic: string, text: string): Promise<void> {
    await this.client.session.publish(topic, text);
  }

  /** What the local client got on a topic, in order. */
  texts(topic: string): string[] {
    return this.client.received.filter((message) => message.topic === topic).map(({ text }) => text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.opened.disposeAsync();
  }

  private get running(): RunningBridges {
    if (this.service === undefined) throw new Error('The service does not run.');
    return this.service;
  }

  private loadOptions(run: string) {
    const name = (key: string) => `TEDGE_${key.toUpperCase().replaceAll('.', '_')}`;
    const env = Object.fromEntries(Object.entries(this.settings).map(([key, value]) => [name(key), value]));
    return { configDir: this.directory.path, env: { ...env, TEDGE_RUN_PATH: run }, cwd: this.directory.path };
  }
}
