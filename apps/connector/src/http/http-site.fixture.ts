import { appendFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Entrances } from '@sallyport/entrance';
import { mqttRpcServer, publishEvent, RpcHandler } from '@sallyport/mqtt';
import {
  type ActivationDecision,
  type ActivationRequest,
  type AdmissionDecision,
  type AdmissionRequest,
  type AuthenticationDecision,
  type AuthenticationRequest,
  activateDevice,
  admitPeer,
  authenticateDevice,
  authorityId,
  type ConnectorView,
  connectorName,
  connectorsChanged,
  type DeviceState,
  describeConnectors,
  deviceChanged,
  deviceId,
  fingerprint,
  initialConnectorSettings,
  type ReportedContact,
  readTrustBundle,
  recordRefusal,
  reportConnectorsVersion,
  reportContacts,
} from '@sallyport/protocol';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { Timeline } from '@sallyport/timeline';
import { Twin } from '@sallyport/twin';
import { authorityIdOf, certificatesFromPem } from '@sallyport/x509';
import { ConnectorFront } from '../front/connector-front.js';
import { DeviceCredentials } from '../front/device-credentials.js';
import { GuessLimit } from '../front/guess-limit.js';
import { DeviceValues } from '../values/device-values.js';
import { HttpDeviceEntrance } from './http-device-entrance.js';

/** Wrong secrets that a network may show. */
export const mostGuesses = 20;

/** Registry and signer in miniature: a real RPC service that answers what the test wants. */
@Controller()
export class SmallSite {
  version = 1;
  connectors: ConnectorView[] = [];
  bundle: string[] = [];
  readonly asked: AdmissionRequest[] = [];
  readonly reported: number[] = [];
  readonly activated = new Set<string>();
  admit: (asked: AdmissionRequest) => AdmissionDecision = (asked) => ({
    outcome: 'admitted',
    deviceId: asked.deviceId,
    kind: 'device',
  });
  /** Device by its token. */
  readonly tokens = new Map<string, string>();
  authentications = 0;
  /** Contacts that were not asked about. */
  readonly contacts: ReportedContact[] = [];
  /** What happens while an answer about a token is on its way. */
  meanwhile: () => Promise<void> = async () => undefined;

  @RpcHandler(describeConnectors)
  describe() {
    return { version: this.version, connectors: this.connectors };
  }

  @RpcHandler(reportConnectorsVersion)
  report({ version }: { readonly version: number }) {
    this.reported.push(version);
    return { version: this.version };
  }

  @RpcHandler(readTrustBundle)
  readBundle() {
    return { version: 1, certificates: this.bundle.map((pem) => ({ role: 'root' as const, pem })) };
  }

  @RpcHandler(admitPeer)
  decide(asked: AdmissionRequest): AdmissionDecision {
    this.asked.push(asked);
    return this.admit(asked);
  }

  @RpcHandler(authenticateDevice)
  async authenticate({ credential }: AuthenticationRequest): Promise<AuthenticationDecision> {
    this.authentications += 1;
    await this.meanwhile();
    const secret = credential.kind === 'token' ? credential.token : `${credential.identity}:${credential.password}`;
    const device = this.tokens.get(secret);
    if (device === undefined) return { outcome: 'refused', reason: 'credential-unknown' };
    return {
      outcome: 'admitted',
      deviceId: deviceId.parse(device),
      credentialDigest: fingerprint.parse('0'.repeat(64)),
    };
  }

  @RpcHandler(activateDevice)
  activate({ identity = '' }: ActivationRequest): ActivationDecision {
    if (identity === 'stranger') return { outcome: 'refused', reason: 'not-expected' };
    if (this.activated.has(identity)) return { outcome: 'refused', reason: 'already-activated' };
    this.activated.add(identity);
    return { outcome: 'activated', deviceId: deviceId.parse(identity), token: 'a'.repeat(40) };
  }

  @RpcHandler(reportContacts)
  take({ contacts }: { readonly contacts: ReportedContact[] }) {
    this.contacts.push(...contacts);
    return {};
  }

  @RpcHandler(recordRefusal)
  record() {
    return {};
  }
}

@Module({ controllers: [SmallSite] })
class SmallSiteModule {}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Asking {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the device; none: it shows no certificate. */
  readonly device?: TestCertificate | undefined;
  readonly serverName?: string;
}

/** The connector as a device sees it: its HTTP entrance over TLS, with values in a store on disk. */
export class HttpSite implements AsyncDisposable {
  private readonly opened = new AsyncDisposableStack();

  private constructor(
    readonly context: TestContext,
    readonly registry: SmallSite,
    readonly values: DeviceValues,
    private readonly twin: Twin,
    readonly entrances: Entrances,
    readonly siteCa: TestCa,
    readonly clientCa: TestCa,
    readonly directory: string,
  ) {}

  static async open(views: (clientCa: TestCa) => ConnectorView[] = defaultViews): Promise<HttpSite> {
    const directory = temporaryDirectory('sp-');
    const [siteCa, clientCa] = [await TestCa.create(), await TestCa.create({ commonName: 'Client CA' })];
    await writeSettings(directory.path, siteCa);
    const context = await openTestContext(directory.path, 'connector');
    const strategy = mqttRpcServer(context.mqttConnection);
    const app = await NestFactory.createMicroservice(SmallSiteModule, { strategy, logger: false });
    await app.listen();
    const registry = app.get(SmallSite);
    registry.connectors = views(clientCa);
    registry.bundle = [siteCa.certPem];
    const entrances = new Entrances(context);
    const twin = new Twin(context.store, { clock: context.clock });
    const values = new DeviceValues(twin);
    const site = new HttpSite(context, registry, values, twin, entrances, siteCa, clientCa, directory.path);
    await site.start(app, () => directory.remove());
    return site;
  }

  get port(): number {
    return this.entrances.describe().find(({ group }) => group === 'connector')?.port ?? 0;
  }

  device(commonName: string): Promise<TestCertificate> {
    return this.clientCa.issue({ commonName, extendedKeyUsage: null });
  }

  /** One request on a connection of its own, as curl sends it. */
  ask(path: string, { method, body, headers, device, serverName = 'localhost' }: Asking = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.port,
          servername: serverName,
          path,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          headers: { Host: 'localhost', ...headers },
          agent: false,
          ca: this.siteCa.certPem,
          checkServerIdentity: () => undefined,
          ...(device === undefined ? {} : { cert: device.certPem, key: device.keyPem }),
        },
        (response) => {
          response.setEncoding('utf8');
          let text = '';
          response.on('data', (piece: string) => (text += piece));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
          response.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** A bare TLS connection. */
  connect(options: { readonly serverName?: string; readonly device?: TestCertificate }): TLSSocket {
    const { serverName, device } = options;
    return connect({
      host: '127.0.0.1',
      port: this.port,
      ca: this.siteCa.certPem,
      checkServerIdentity: () => undefined,
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(device === undefined ? {} : { cert: device.certPem, key: device.keyPem }),
    });
  }

  /** Adds a line to the settings, and has it read. */
  async configure(line: string): Promise<void> {
    await appendFile(`${this.directory}/tedge.toml`, `${line}\n`);
    await this.context.reloadSettings();
  }

  /** The registry has saved other connectors. */
  async save(connectors: ConnectorView[]): Promise<void> {
    this.registry.connectors = connectors;
    this.registry.version += 1;
    await publishEvent(this.context.mqtt, connectorsChanged, { version: this.registry.version });
  }

  async announce(device: string, state: DeviceState): Promise<void> {
    await publishEvent(this.context.mqtt, deviceChanged, {
      deviceId: deviceId.parse(device),
      state,
      fingerprints: [],
      changedAt: new Date().toISOString(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.disposeAsync();
  }

  private async start(app: INestMicroservice, removeDirectory: () => Promise<unknown>): Promise<void> {
    const { context, entrances, opened, values } = this;
    const front = new ConnectorFront(context, entrances);
    const guesses = new GuessLimit({ burst: mostGuesses, perSecond: 0.001 });
    const credentials = new DeviceCredentials(context, guesses, entrances);
    const { store, mqtt, clock, log } = context;
    const events = new Timeline(store, mqtt, clock, log);
    opened.defer(async () => void (await removeDirectory()));
    opened.use(this.siteCa);
    opened.use(this.clientCa);
    opened.defer(() => closeTestContext(context));
    opened.defer(() => this.twin.close());
    opened.defer(() => app.close());
    opened.defer(() => entrances.beforeApplicationShutdown());
    opened.defer(() => front.beforeApplicationShutdown());
    await entrances.onModuleInit();
    await front.onModuleInit();
    await credentials.onModuleInit();
    await new HttpDeviceEntrance(front, credentials, values, events, context.store, context).onApplicationBootstrap();
    if (this.port === 0) throw new Error('The entrance did not open.');
  }
}

/** A connector that admits the devices of some CAs. */
export function viewOf(name: string, cas: readonly TestCa[], domains: readonly string[] = []): ConnectorView {
  const { provisioning, pki, resources } = initialConnectorSettings;
  return {
    name: connectorName.parse(name),
    settings: { domains: [...domains], provisioning, pki, resources },
    clientCas: cas.map((ca) => clientCaView(ca)),
  };
}

export function clientCaView(
  { certPem }: TestCa,
  levers: Partial<ConnectorView['clientCas'][number]> = {},
): ConnectorView['clientCas'][number] {
  const [certificate] = certificatesFromPem(certPem);
  if (certificate === undefined) throw new Error('no certificate');
  return {
    id: authorityId.parse(authorityIdOf(certificate)),
    provision: true,
    login: true,
    sessions: 'keep',
    certificates: [certificate.der.toString('base64')],
    ...levers,
  };
}

function defaultViews(clientCa: TestCa): ConnectorView[] {
  return [viewOf('default', [clientCa])];
}

async function writeSettings(directory: string, siteCa: TestCa): Promise<void> {
  const server = await siteCa.issue({ commonName: 'connector', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
  const lines = {
    'connector.bind.port': '0',
    'connector.mqtt.bind.port': '0',
    'connector.cert_path': `"${server.certPath}"`,
    'connector.key_path': `"${server.keyPath}"`,
  };
  const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`);
  await writeFile(`${directory}/tedge.toml`, text.join(''));
}
