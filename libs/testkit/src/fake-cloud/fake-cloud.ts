import { temporaryDirectory } from '../temporary-directory.js';
import { type CertificateOptions, TestCa, type TestCertificate } from '../test-ca.js';
import { CloudApi } from './cloud-api.js';
import { type BrokerOptions, CloudBroker, type CloudUser } from './cloud-broker.js';
import { CloudRoutes } from './cloud-routes.js';
import { DeviceTokens } from './device-tokens.js';
import { Enrolment } from './enrolment.js';
import type { SeenRequest } from './seen-request.js';
import { SmartRest } from './smart-rest.js';
import { Tenant } from './tenant.js';
import { TrustedCertificates } from './trusted-certificates.js';

export interface FakeCloudOptions {
  /**
   * Ids of the devices. Each has a port of its own, and topics that no other sees. Without them there is one port,
   * any device that is trusted may connect to it, and all share the topics.
   */
  readonly devices?: readonly string[];
  /** Devices come with these names and passwords over MQTT instead of certificates. They are users of the API too. */
  readonly deviceUsers?: readonly CloudUser[];
  /** Of the tokens; default 3600. */
  readonly tokenLifetimeSeconds?: number;
  /** Uploaded certificates are trusted only after the proof of possession. */
  readonly needsProofOfPossession?: boolean;
  /** Default: free ones. The MQTT port is that of the first, or of any, device. */
  readonly ports?: { readonly api: number; readonly mqtt: number };
  /** Takes a line about each request and each message, for somebody who watches. */
  readonly onSeen?: (line: string) => void;
  /** Milliseconds since the epoch, for `exp` of the tokens. */
  readonly nowMs?: () => number;
}

/** What the servers of the cloud show to their clients. */
export type ShownCertificate = 'trusted' | 'unknown CA' | 'expired' | 'not yet valid' | 'other name';

const user = { name: 'operator', password: 'fake-cloud-password' };
const tenantId = 't12345';
const host = 'localhost' as const;
const hour = 3_600_000;

/**
 * A Cumulocity tenant for tests: a real Mosquitto that asks for certificates, and an HTTPS API, on loopback.
 *
 * It differs from the real one: each declared device has an MQTT port of its own, with a Mosquitto behind it, because
 * the topics of one Mosquitto are shared. The client id need not be the CN of the certificate. When a trusted
 * certificate is taken away, or one is added with the subject of another, Mosquitto starts again, so sessions end; of
 * two certificates with one subject and without key identifiers, only the newer is trusted.
 * Without declared devices, a token is made for the client that connected last. Passwords and certificates do not work
 * on one port.
 *
 * @example
 * ```ts
 * await using cloud = await fakeCloud({ devices: ['gateway01'] });
 * const { certPath, keyPath } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
 * // c8y.http = localhost:<cloud.api.port>, c8y.mqtt = localhost:<cloud.mqtt.port>, c8y.root_cert_path = cloud.caPath
 * ```
 */
export interface FakeCloud extends AsyncDisposable {
  readonly host: 'localhost';
  readonly tenantId: string;
  /** An operator who may use the API and upload certificates. */
  readonly user: CloudUser;
  /** The file a device has to trust: the CA of the cloud's servers. */
  readonly caPath: string;
  /** A CA that has issued nothing the cloud shows. */
  readonly otherCaPath: string;
  /** A CA that the tenant trusts from the start. */
  readonly deviceCa: TestCa;
  readonly tenant: Tenant;
  readonly tokens: DeviceTokens;
  readonly trusted: TrustedCertificates;
  readonly enrolment: Enrolment;
  readonly smartRest: SmartRest;
  readonly api: CloudApi;
  /** The broker of the first, or of any, device. */
  readonly mqtt: CloudBroker;
  /** The broker of a declared device. */
  mqttOf(device: string): CloudBroker;
  /** Shows another certificate on both ports to the clients that connect from now on. */
  showCertificate(kind: ShownCertificate): Promise<void>;
}

/** Starts one. `await using` ends it with everything it made. */
export async function fakeCloud(options: FakeCloudOptions = {}): Promise<FakeCloud> {
  await using opened = new AsyncDisposableStack();
  const { serverCa, otherCa, deviceCa } = await authorities(opened);
  const { nowMs = Date.now, tokenLifetimeSeconds: lifetimeSeconds = 3600, onSeen = () => undefined } = options;
  const tenant = new Tenant();
  const tokens = new DeviceTokens({ host, tenant: tenantId, nowMs, lifetimeSeconds });
  const [smartRest, enrolment] = [new SmartRest({ tenant, tokens }), new Enrolment(deviceCa, tenant)];
  const trusted = await trustedFrom(deviceCa, options, opened);
  const certificate = await serverCa.issue(serverCertificate('trusted'));
  const onMessage: BrokerOptions['onMessage'] = (message, broker) => {
    onSeen(`MQTT  ${message.device}  ${message.topic}  ${message.payload}`);
    smartRest.take(message, broker);
  };
  const brokers = await startBrokers({ certificate, trustedPath: trusted.directory, onMessage }, options, opened);
  trusted.onStale = async () => {
    for (const broker of brokers.values()) if (broker.isRunning) await broker.restart();
  };
  const users = [user, ...(options.deviceUsers ?? [])];
  const routes = new CloudRoutes({ tenantId, host, tenant, tokens, trusted, users, enrolment });
  const onRequest = ({ method, target }: SeenRequest): void => onSeen(`HTTPS ${method} ${target}`);
  const api = opened.use(await CloudApi.start({ certificate, routes, port: options.ports?.api, onRequest }));
  const parts = opened.move();
  return {
    ...{ host, tenantId, user, caPath: serverCa.certPath, otherCaPath: otherCa.certPath, deviceCa, tenant, tokens },
    ...{ trusted, enrolment, smartRest, api, ...brokerAccess(brokers) },
    showCertificate: (kind) =>
      showOn(api, [...brokers.values()], (kind === 'unknown CA' ? otherCa : serverCa).issue(serverCertificate(kind))),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** The trusted certificates of the tenant: at first its own CA. */
async function trustedFrom(
  { certPem }: TestCa,
  { needsProofOfPossession = false }: FakeCloudOptions,
  opened: AsyncDisposableStack,
): Promise<TrustedCertificates> {
  const directory = opened.use(temporaryDirectory('sallyport-cloud-trust-'));
  const trusted = new TrustedCertificates(directory.path, needsProofOfPossession);
  await trusted.trust(certPem, 'Fake Tenant CA');
  return trusted;
}

async function authorities(opened: AsyncDisposableStack): Promise<Record<'serverCa' | 'otherCa' | 'deviceCa', TestCa>> {
  const make = async (commonName: string): Promise<TestCa> => opened.use(await TestCa.create({ commonName }));
  const [serverCa, otherCa] = [await make('Fake Cloud Server CA'), await make('Another Server CA')];
  return { serverCa, otherCa, deviceCa: await make('Fake Tenant CA') };
}

async function showOn(api: CloudApi, brokers: CloudBroker[], issued: Promise<TestCertificate>): Promise<void> {
  const certificate = await issued;
  api.showCertificate(certificate);
  await Promise.all(brokers.map((broker) => broker.showCertificate(certificate)));
}

/** One for each declared device, by its id, or one for all. */
async function startBrokers(
  shared: BrokerOptions,
  { devices = [], deviceUsers, ports }: FakeCloudOptions,
  opened: AsyncDisposableStack,
): Promise<Map<string | undefined, CloudBroker>> {
  const brokers = new Map<string | undefined, CloudBroker>();
  const users = deviceUsers === undefined ? {} : { users: deviceUsers };
  for (const device of devices.length === 0 ? [undefined] : devices) {
    const only = device === undefined ? {} : { device };
    const port = ports === undefined || brokers.size > 0 ? {} : { port: ports.mqtt };
    brokers.set(device, opened.use(await CloudBroker.start({ ...shared, ...users, ...only, ...port })));
  }
  return brokers;
}

function brokerAccess(brokers: ReadonlyMap<string | undefined, CloudBroker>): Pick<FakeCloud, 'mqtt' | 'mqttOf'> {
  const mqttOf = (device: string | undefined): CloudBroker => {
    const found = brokers.get(device);
    if (found === undefined) throw new Error(`Device "${device}" was not declared: fakeCloud({ devices: [...] }).`);
    return found;
  };
  return { mqtt: mqttOf([...brokers.keys()][0]), mqttOf };
}

function serverCertificate(kind: ShownCertificate): CertificateOptions {
  const name = kind === 'other name' ? 'cloud.example' : host;
  const now = Date.now();
  return {
    commonName: name,
    subjectAltNames: [`DNS:${name}`],
    ...(kind === 'expired' ? { notBefore: new Date(now - 3 * hour), notAfter: new Date(now - hour) } : {}),
    ...(kind === 'not yet valid' ? { notBefore: new Date(now + hour) } : {}),
  };
}
