import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSettings } from '@sallyport/config';
import { Entrances } from '@sallyport/entrance';
import {
  connectMqtt,
  connectRpcClient,
  type Mqtt,
  type MqttConnection,
  publishEvent,
  type RpcClient,
  subscribeEvent,
} from '@sallyport/mqtt';
import {
  type AdminRoute,
  type AdmissionRequest,
  adminSocketPath,
  admitPeer,
  type CertificateAdmissionRequest,
  certificateAdmissionRequest,
  certificateIssued,
  certificateRevoked,
  checkEnrolment,
  type DeviceChange,
  deviceChanged,
  deviceDescription,
  deviceId,
  type EntranceDescription,
  type IssuedCertificate,
  type RefusalReason,
  type RpcContract,
  readOwner,
  recordRefusal,
  type TokenAdmissionRequest,
  takeoverRequest,
  takeoverResponse,
  tokenAdmissionRequest,
} from '@sallyport/protocol';
import { openLog, RunningServices, type ServiceDefinition, type ServiceHost } from '@sallyport/runtime';
import { openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { spawnMosquitto, type TemporaryDirectory, TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { z } from 'zod';
import { Devices } from './devices/devices.js';
import { deviceRegistry } from './service.js';
import { recordSite } from './site/recorded-site.fixture.js';

// Without this setting, Mosquitto waits up to 40 ms for more data before it answers.
const config = ['set_tcp_nodelay true'];

// No test measures the speed of the machine.
const patience = { deadlineMs: 20_000 };

const problem = z.object({ type: z.string(), detail: z.string() });

/** A device registry on a real broker and a SQLite store, and the services that talk to it. */
export class RegistryUnderTest {
  readonly clock = new TestClock(new Date('2026-06-01T12:00:00Z'));
  /** Its announcements to entrances and signer. */
  readonly announced: DeviceChange[] = [];
  readonly logged: string[] = [];
  private constructor(
    private broker: Awaited<ReturnType<typeof spawnMosquitto>>,
    private readonly directory: TemporaryDirectory,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  private wholeStore: Store | undefined;
  private services: RunningServices | undefined;
  private host: ServiceHost | undefined;
  private entrance: { mqtt: Mqtt; rpc: RpcClient & { close(): Promise<void> } } | undefined;

  /** @param environment settings that differ from the defaults, such as `TEDGE_REGISTRY_BIND_PORT` */
  static async start(environment: Readonly<Record<string, string>> = {}): Promise<RegistryUnderTest> {
    const registry = new RegistryUnderTest(await spawnMosquitto({ config }), temporaryDirectory(), environment);
    await registry.joinSite();
    return registry.open();
  }

  /** A registry that belongs to no site yet. */
  static async startEmpty(): Promise<RegistryUnderTest> {
    return new RegistryUnderTest(await spawnMosquitto({ config }), temporaryDirectory(), {}).open();
  }

  private async open(): Promise<RegistryUnderTest> {
    await this.startService();
    const connection = this.connection('entrance');
    const mqtt = await connectMqtt(connection);
    this.entrance = { mqtt, rpc: await connectRpcClient(connection) };
    await subscribeEvent(mqtt, deviceChanged, async (change) => void this.announced.push(change));
    return this;
  }

  private async joinSite(): Promise<void> {
    const store = await this.openStore();
    await recordSite(store);
    await store.close();
  }

  private openStore(): Promise<Store> {
    return openSqliteStore({ file: this.directory.file('store.db'), clock: () => this.clock.now().getTime() });
  }

  /** Stops the service as SIGTERM does and starts it again. */
  async restart(): Promise<void> {
    await this.stopService();
    await this.startService();
  }

  async stopService(): Promise<void> {
    await this.services?.stop();
    await this.wholeStore?.close();
  }

  async startService(): Promise<void> {
    const { directory } = this;
    const env = { TEDGE_RUN_PATH: directory.file('run'), ...this.environment };
    const options = { configDir: directory.path, env, cwd: directory.path };
    const { settings } = await loadSettings(options);
    this.wholeStore = await this.openStore();
    this.services = new RunningServices({
      settings,
      readSettings: async () => (await loadSettings(options)).settings,
      log: openLog({ destination: { write: (line: string) => void this.logged.push(line) } }),
      clock: this.clock,
      store: this.wholeStore,
      connectionFor: (service) => this.connection(service),
    });
    this.host = await this.services.start(deviceRegistry);
  }

  async stop(): Promise<void> {
    await this.entrance?.rpc.close();
    await this.entrance?.mqtt.close();
    await this.stopService();
    await this.broker.kill();
    await this.directory.remove();
  }

  /** Puts an empty broker in the place of the one that runs. Resolves when the registry answers there. */
  async loseBroker(): Promise<void> {
    const port = Number(new URL(this.broker.url).port);
    await this.broker.kill();
    this.broker = await spawnMosquitto({ config, port });
    // A request that comes before the registry has subscribed again is lost with everything else.
    const asked = () => this.peers.rpc.call(readOwner, { deviceId: deviceId.parse('nobody') }, { deadlineMs: 1_000 });
    await waitFor(asked, { what: 'an answer of the registry at the new broker' });
  }

  get configDirectory(): string {
    return this.directory.path;
  }

  /** Another service of the site, on the same broker. */
  async startBeside(definition: ServiceDefinition): Promise<void> {
    await this.services?.start(definition);
  }

  /** Removes the store while the service is stopped. */
  async loseStore(): Promise<void> {
    for (const suffix of ['', '-wal', '-shm']) await rm(this.directory.file(`store.db${suffix}`), { force: true });
  }

  /** The admin entrance on the network. */
  get remoteAdmin(): EntranceDescription {
    const [entrance] = this.host?.app.get(Entrances, { strict: false }).describe() ?? [];
    if (entrance === undefined) throw new Error('the registry does not run');
    return entrance;
  }

  /** Gives it the CAs of this site, as the signer does at the enrolment. */
  async trustSite(caPem: string): Promise<void> {
    const folder = this.directory.file('service-certs', 'device-registry');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'client-ca.pem'), caPem);
    await this.host?.app.get(Entrances, { strict: false }).reload();
  }

  /** What the registry wrote, read with its own classes. */
  get store(): Store {
    if (this.wholeStore === undefined) throw new Error('the registry does not run');
    return scopedStore(this.wholeStore, 'device-registry/');
  }

  /** Asks as an entrance does. */
  async admit(request: AdmissionRequest): Promise<'admitted' | RefusalReason> {
    const decision = await this.peers.rpc.call(admitPeer, request, patience);
    return decision.outcome === 'admitted' ? 'admitted' : decision.reason;
  }

  /** Asks as the signer does. */
  async mayEnrol(question: z.input<typeof checkEnrolment.request>): Promise<'allowed' | RefusalReason> {
    const decision = await this.peers.rpc.call(checkEnrolment, question, patience);
    return decision.outcome === 'allowed' ? 'allowed' : decision.reason;
  }

  /** Asks as the agent does. */
  ask<Request extends z.ZodType, Response extends z.ZodType>(
    contract: RpcContract<Request, Response>,
    request: z.input<Request>,
  ): Promise<z.output<Response>> {
    return this.peers.rpc.call(contract, request, patience);
  }

  async refused(refusal: z.input<typeof recordRefusal.request>): Promise<void> {
    await this.peers.rpc.call(recordRefusal, refusal);
  }

  issued(certificate: IssuedCertificate): Promise<void> {
    return publishEvent(this.peers.mqtt, certificateIssued, certificate);
  }

  revoked(certificate: z.input<typeof certificateRevoked.payload>): Promise<void> {
    return publishEvent(this.peers.mqtt, certificateRevoked, certificate);
  }

  /** Sends a message on the topic of the signer that is no event. */
  publishGarbage(): Promise<void> {
    return this.peers.mqtt.publish(certificateIssued.topic, '{"deviceId":');
  }

  /** Sends an admin request and reads the answer with the schema the CLI uses. */
  async get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    const { status, body } = await this.send('GET', path);
    if (status !== 200) throw new Error(`GET ${path} answered ${status}: ${JSON.stringify(body)}`);
    return schema.parse(body);
  }

  /** One page of a takeover. */
  async takeOver(request: z.input<typeof takeoverRequest>) {
    const { status, body } = await this.send('POST', '/v1/takeovers', request);
    if (status !== 200) throw new Error(`takeover answered ${status}: ${JSON.stringify(body)}`);
    return takeoverResponse.parse(body);
  }

  /** Writes into the store what an older version would have written. */
  async setAuthority(name: string, authority: string): Promise<void> {
    const found = await this.part(Devices).find(deviceId.parse(name));
    await this.store.put(`device/${name}`, { ...found?.record, authority });
  }

  device(name: string) {
    return this.get(`/v1/devices/${name}`, deviceDescription);
  }

  async change(name: string, action: string, reason?: string) {
    const { status, body } = await this.send('POST', `/v1/devices/${name}/${action}`, reason && { reason });
    if (status !== 200) throw new Error(`${action} answered ${status}: ${JSON.stringify(body)}`);
    return deviceDescription.parse(body);
  }

  /** Status and detail of a request that is refused. */
  async refusal(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<string> {
    const answer = await this.send(method, path, body);
    return `${answer.status} ${problem.parse(answer.body).detail}`;
  }

  /** Asks the admin API as an administrator of this machine, with a body and headers. */
  async inject(request: {
    method: AdminRoute['method'];
    url: string;
    payload?: object;
    headers?: Record<string, string>;
  }) {
    if (this.host === undefined) throw new Error('the registry does not run');
    const { statusCode, headers, body } = await this.host.app.inject(request);
    return { status: statusCode, headers, body: body === '' ? undefined : z.json().parse(JSON.parse(body)) };
  }

  /** Sends an admin request that is to succeed. */
  async order(method: 'POST' | 'DELETE', path: string, payload?: object): Promise<void> {
    const { status, body } = await this.send(method, path, payload);
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(body)}`);
  }

  /** Where its admin API listens. */
  get adminSocket(): string {
    return adminSocketPath(this.directory.file('run'), 'device-registry', process.cwd());
  }

  private async send(method: AdminRoute['method'], path: string, payload?: object | string) {
    if (this.host === undefined) throw new Error('the registry does not run');
    const response = await this.host.app.inject({ method, url: path, ...(payload ? { payload } : {}) });
    return { status: response.statusCode, body: response.payload === '' ? undefined : response.json<unknown>() };
  }

  private get peers() {
    if (this.entrance === undefined) throw new Error('nobody is connected');
    return this.entrance;
  }

  /** One of its own classes, to bring it into a state that only bad luck brings. */
  part<Class>(type: new (...parts: never[]) => Class): Class {
    if (this.host === undefined) throw new Error('the registry does not run');
    return this.host.app.get(type, { strict: false });
  }

  /** How another client reaches its broker. */
  connection(clientId: string): MqttConnection {
    return { kind: 'network', url: this.broker.url, clientId };
  }
}

/** 64 hexadecimal digits that name a thing of a test. */
export function fingerprintOf(seed: string): string {
  return Buffer.from(seed.padEnd(32, '.')).toString('hex').slice(0, 64);
}

/** What an entrance asks about a certificate of this site, unless a test says otherwise. */
export function peer(
  overrides: Partial<z.input<typeof certificateAdmissionRequest>> = {},
): CertificateAdmissionRequest {
  const issuerFingerprint = overrides.issuerFingerprint ?? fingerprintOf('site CA');
  return certificateAdmissionRequest.parse({
    knownIssuerFingerprints: [issuerFingerprint],
    authorities: [`ca:${issuerFingerprint}`],
    authorityName: 'CN=some CA',
    fingerprint: fingerprintOf('first'),
    deviceId: 'child01',
    issuerFingerprint: fingerprintOf('site CA'),
    serialNumber: '01',
    issuedHere: true,
    kind: 'device',
    notBefore: '2026-05-01T00:00:00Z',
    notAfter: '2026-08-01T00:00:00Z',
    entrance: 'agent',
    remoteAddress: '192.0.2.7',
    ...overrides,
  });
}

/** A device that signed in with a token at an entrance. */
export function tokenPeer(): TokenAdmissionRequest {
  return tokenAdmissionRequest.parse({
    credential: 'token',
    deviceId: 'child01',
    kind: 'device',
    issuer: 'https://login.example',
    expiresAt: '2026-06-02T00:00:00Z',
    entrance: 'coap',
    remoteAddress: '192.0.2.7',
  });
}

/** What the signer says about a certificate it issued, unless a test says otherwise. */
export function issued(overrides: Partial<z.input<typeof certificateIssued.payload>> = {}): IssuedCertificate {
  return certificateIssued.payload.parse({
    fingerprint: fingerprintOf('first'),
    serialNumber: '01',
    issuerFingerprint: fingerprintOf('site CA'),
    deviceId: 'child01',
    kind: 'device',
    profile: 'device',
    notBefore: '2026-05-01T00:00:00Z',
    notAfter: '2026-08-01T00:00:00Z',
    issuedAt: '2026-06-01T12:00:01Z',
    reinstate: false,
    ...overrides,
  });
}
