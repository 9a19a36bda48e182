import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { json, text } from 'node:stream/consumers';
import { loadSettings } from '@sallyport/config';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { EntranceModule, Entrances } from '@sallyport/entrance';
import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import {
  adminSocketPath,
  type DeviceEvent,
  deviceEvent,
  deviceEventRoot,
  ocfDeviceId,
  ocfUuid,
} from '@sallyport/protocol';
import { openLog, RunningServices, type ServiceDefinition, SystemClock } from '@sallyport/runtime';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { Timeline } from '@sallyport/timeline';
import { Authorization } from './authorization/authorization.js';
import { SmallProvider } from './authorization/small-provider.fixture.js';
import { GatewayFront } from './front/gateway-front.js';
import { hub, lamp } from './gateway-site.fixture.js';
import { DevicePresence } from './presence/device-presence.js';
import { presenceParts } from './presence/presence-parts.js';
import { resourceParts } from './resources/resource-parts.js';
import { ResourceWork } from './resources/resource-work.js';
import { sessionParts } from './sessions/session-parts.js';
import { SessionPresence } from './sessions/session-presence.js';
import { SignedInWork } from './sessions/signed-in-work.js';
import { SmallSite } from './small-site.fixture.js';
import { TestDevice, type TestDeviceOptions } from './test-device.fixture.js';

export const ocfIdentityUsage = 'clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6';

export interface ResourceSiteOptions {
  readonly store?: 'SQLite' | 'Redis';
  readonly replicas?: number;
  /** Lines of `tedge.toml`. */
  readonly settings?: readonly string[];
}

/** What an admin API answered. */
export interface AdminAnswer {
  readonly status: number | undefined;
  readonly body: unknown;
}

interface Replica {
  readonly services: RunningServices;
  readonly port: number;
  readonly socket: string;
}

/** Gateways with their resources and admin APIs, on one store, with a small registry and signer behind them. */
export class ResourceSite implements AsyncDisposable {
  readonly provider = new SmallProvider();
  readonly events: DeviceEvent[] = [];
  readonly logged: string[] = [];
  private readonly replicas: Replica[] = [];
  private smallSite: SmallSite | undefined;
  private readonly opened = new AsyncDisposableStack();

  private constructor(
    private readonly options: ResourceSiteOptions,
    private readonly siteCa: TestCa,
    private readonly broker: TestBroker,
    readonly store: Store,
    readonly mqtt: Mqtt,
  ) {}

  /** Registry and signer. */
  get registry(): SmallSite {
    if (this.smallSite === undefined) throw new Error('the registry does not run');
    return this.smallSite;
  }

  static async open(options: ResourceSiteOptions = {}): Promise<ResourceSite> {
    const opened = new AsyncDisposableStack();
    const siteCa = opened.use(await TestCa.create());
    const broker = opened.adopt(await TestBroker.start(), (each) => each.close());
    const store = await openStore(options, opened);
    const mqtt = opened.adopt(await connectMqtt(broker.connection('observer')), (each) => each.close());
    const site = new ResourceSite(options, siteCa, broker, store, mqtt);
    site.opened.defer(() => opened.disposeAsync());
    await mqtt.subscribe(`${deviceEventRoot}/#`, (_topic, payload) => {
      site.events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
    for (let index = 0; index < (options.replicas ?? 1); index += 1) await site.start(index);
    return site;
  }

  /** A device that is signed in, with resources of its own. */
  async device({ uuid = lamp, owner = '1', replica = 0, ...options }: DeviceChoice = {}): Promise<TestDevice> {
    const certificate = await this.siteCa.issue({ commonName: `uuid:${uuid}`, extendedKeyUsage: ocfIdentityUsage });
    this.registry.owners.set(`uuid:${uuid}`, owner);
    const accessToken = this.provider.issue(`token of ${owner}`, { owner });
    return TestDevice.signIn({
      ...options,
      uuid,
      owner,
      accessToken,
      port: this.replicas[replica]?.port ?? 0,
      tls: { ca: this.siteCa.certPem, cert: certificate.certPem, key: certificate.keyPem },
    });
  }

  /** Sends a request to the admin API of a replica. */
  admin(method: string, path: string, options: { body?: unknown; replica?: number } = {}): Promise<AdminAnswer> {
    const { body, replica = 0 } = options;
    const socketPath = this.replicas[replica]?.socket;
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const sent = request({ socketPath, method, path, headers }, async (response) => {
        const { statusCode: status } = response;
        resolve({ status, body: status === 204 ? undefined : await json(response) });
      });
      sent.once('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** The lines of `/metrics` of the first gateway. */
  async metrics(): Promise<string[]> {
    const socketPath = this.replicas[0]?.socket;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ socketPath, path: '/metrics' }, resolve).once('error', reject).end();
    });
    return (await text(response)).split('\n');
  }

  /** The path of a device in the admin API. */
  pathOf(uuid: string = lamp): string {
    return `/api/v1/devices/${encodeURIComponent(ocfDeviceId(ocfUuid.parse(uuid)))}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { services } of this.replicas) await services.stop();
    await this.opened.disposeAsync();
  }

  private async start(index: number): Promise<void> {
    const directory = this.opened.adopt(temporaryDirectory('sp-'), (folder) => folder.remove());
    await this.writeSettings(directory.path);
    const env = { TEDGE_RUN_PATH: directory.file('run') };
    const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
    const services = new RunningServices({
      settings,
      readSettings: async () => settings,
      log: openLog({ destination: { write: (line: string) => void this.logged.push(line) } }),
      clock: new SystemClock(),
      store: this.store,
      connectionFor: (service) => this.broker.connection(`${service}-${index}`),
    });
    if (index === 0) await this.startRegistry(services);
    const { app } = await services.start(this.gatewayDefinition());
    const entrances = app.get(Entrances, { strict: false });
    const port = entrances.describe().find(({ group }) => group === 'coap')?.port ?? 0;
    if (port === 0) throw new Error(`The entrance did not open: ${this.logged.join('')}`);
    this.replicas.push({
      services,
      port,
      socket: adminSocketPath(directory.file('run'), 'coap-gateway', process.cwd()),
    });
  }

  private gatewayDefinition(): ServiceDefinition {
    return {
      name: 'coap-gateway',
      needs: { store: true, mqtt: true, rpc: true },
      module: () => ({
        module: class Gateway {},
        imports: [EntranceModule],
        controllers: [...sessionParts.controllers, ...resourceParts.controllers],
        providers: [
          Timeline,
          GatewayFront,
          ...presenceParts.providers,
          { provide: SessionPresence, useExisting: DevicePresence },
          { provide: Authorization, useValue: this.provider },
          ...resourceParts.providers,
          { provide: SignedInWork, useExisting: ResourceWork },
          ...sessionParts.providers,
        ],
      }),
    };
  }

  private async startRegistry(services: RunningServices): Promise<void> {
    const { app } = await services.start({
      name: 'device-registry',
      needs: { mqtt: true, rpc: true },
      module: () => ({ module: class Registry {}, controllers: [SmallSite] }),
    });
    const smallSite = app.get(SmallSite, { strict: false });
    smallSite.bundle = [this.siteCa.certPem];
    this.smallSite = smallSite;
  }

  private async writeSettings(directory: string): Promise<void> {
    const server = await this.siteCa.issue({
      commonName: `uuid:${hub}`,
      extendedKeyUsage: ocfIdentityUsage,
      subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'],
    });
    const lines = [
      'coap.bind.port = 0',
      `coap.tls.cert_path = "${server.certPath}"`,
      `coap.tls.key_path = "${server.keyPath}"`,
      ...(this.options.settings ?? []),
    ];
    await writeFile(`${directory}/tedge.toml`, lines.map((line) => `${line}\n`).join(''));
  }
}

export interface DeviceChoice extends Pick<TestDeviceOptions, 'resources' | 'isBatch' | 'unusual'> {
  readonly uuid?: string;
  readonly owner?: string;
  readonly replica?: number;
}

async function openStore({ store = 'SQLite' }: ResourceSiteOptions, opened: AsyncDisposableStack): Promise<Store> {
  if (store === 'Redis') {
    const { url } = opened.adopt(await spawnRedis(), (redis) => redis.kill());
    return opened.adopt(await openRedisStore({ url }), (each) => each.close());
  }
  const directory = opened.adopt(temporaryDirectory('sp-'), (folder) => folder.remove());
  return opened.adopt(await openSqliteStore({ file: directory.file('store.db') }), (each) => each.close());
}
