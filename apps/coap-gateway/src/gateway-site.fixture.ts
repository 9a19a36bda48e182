import { appendFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CoapResponse, OutgoingRequest, RequestHandler } from '@sallyport/coap-wire';
import { type CoapClient, connectCoap } from '@sallyport/coap-wire/testing';
import { Entrances } from '@sallyport/entrance';
import { serverNames } from '@sallyport/identity';
import { mqttRpcServer, publishEvent } from '@sallyport/mqtt';
import {
  type DeviceId,
  type DeviceState,
  deviceChanged,
  deviceId,
  deviceOwnerChanged,
  type OcfUuid,
  ocfDeviceId,
  ocfUuid,
  trustBundleChanged,
} from '@sallyport/protocol';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { type CertificateOptions, TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { pemFromDer } from '@sallyport/x509';
import type { Authorization } from './authorization/authorization.js';
import { SmallProvider } from './authorization/small-provider.fixture.js';
import { decodeCbor, encodeCbor } from './cbor/cbor.js';
import { GatewayFront } from './front/gateway-front.js';
import { NoPresence, NoWork } from './sessions/absent-parts.fixture.js';
import { AttemptLimit } from './sessions/attempt-limit.js';
import { CoapDeviceEntrance } from './sessions/coap-device-entrance.js';
import { DeviceOwners } from './sessions/device-owners.js';
import { SessionDependencies } from './sessions/session-dependencies.js';
import type { SessionPresence } from './sessions/session-presence.js';
import { SignedInDevices } from './sessions/signed-in-devices.js';
import type { SignedInWork } from './sessions/signed-in-work.js';
import { SmallSite, SmallSiteModule } from './small-site.fixture.js';

/** A device of the tests, and the id of the cloud. */
export const lamp = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
export const hub = '00000000-1111-4222-8333-444444444444';

const identityUsage = 'clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6';

export interface GatewaySiteOptions {
  /** Lines of `tedge.toml`. */
  readonly settings?: readonly string[];
  /** Of the parts around the sessions; small ones by default. */
  readonly work?: (context: TestContext, devices: SignedInDevices) => SignedInWork;
  readonly presence?: (context: TestContext, devices: SignedInDevices) => SessionPresence;
  readonly authorization?: Authorization;
  readonly attempts?: AttemptLimit;
  /** Where the certificate of the gateway comes from. The signer is away until `signerAnswers`. Default: a file. */
  readonly certificateFrom?: 'file' | 'signer';
}

export interface Asking {
  /** Of the device; none: it shows no certificate. */
  readonly device?: TestCertificate | undefined;
  readonly handler?: RequestHandler;
  readonly tls?: { readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'; readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' };
}

/** The gateway as a device sees it: its entrance over TLS, with a small registry and signer behind it on the real RPC. */
export class GatewaySite implements AsyncDisposable {
  private readonly opened = new AsyncDisposableStack();
  readonly provider = new SmallProvider();
  readonly devices = new SignedInDevices();

  private constructor(
    readonly context: TestContext,
    readonly registry: SmallSite,
    readonly entrances: Entrances,
    readonly siteCa: TestCa,
    readonly directory: string,
  ) {}

  static async open(options: GatewaySiteOptions = {}): Promise<GatewaySite> {
    const directory = temporaryDirectory('sp-');
    const siteCa = await TestCa.create();
    const isFromSigner = options.certificateFrom === 'signer';
    const files = isFromSigner ? [] : await certificateSettings(siteCa);
    await writeSettings(directory.path, [...files, ...(options.settings ?? [])]);
    const context = await openTestContext(directory.path, 'coap-gateway');
    const strategy = mqttRpcServer(context.mqttConnection);
    const app = await NestFactory.createMicroservice(SmallSiteModule, { strategy, logger: false });
    await app.listen();
    const registry = app.get(SmallSite);
    registry.bundle = isFromSigner ? [] : [siteCa.certPem];
    const site = new GatewaySite(context, registry, new Entrances(context), siteCa, directory.path);
    site.opened.defer(async () => void (await directory.remove()));
    await site.start(app, options);
    return site;
  }

  get port(): number {
    return this.entrances.describe().find(({ group }) => group === 'coap')?.port ?? 0;
  }

  /** The identity certificate of a device. */
  device(uuid = lamp, options: CertificateOptions = {}): Promise<TestCertificate> {
    return this.siteCa.issue({ commonName: `uuid:${uuid}`, extendedKeyUsage: identityUsage, ...options });
  }

  uuid(text: string): OcfUuid {
    return ocfUuid.parse(text);
  }

  deviceIdOf(uuid: string): DeviceId {
    return ocfDeviceId(this.uuid(uuid));
  }

  /** The body of a request. */
  cbor(value: unknown): Buffer {
    return encodeCbor(value);
  }

  connect({ device, handler, tls }: Asking = {}): Promise<CoapClient> {
    const shown = device === undefined ? {} : { cert: device.certPem, key: device.keyPem };
    return connectCoap({
      port: this.port,
      tls: { ca: this.siteCa.certPem, ...shown, ...tls },
      ...(handler === undefined ? {} : { handler }),
    });
  }

  /** A device with its certificate, which its owner has claimed, signed in. */
  async signedIn({
    uuid = lamp,
    owner = '1',
    ...asking
  }: Asking & { uuid?: string; owner?: string } = {}): Promise<CoapClient> {
    const client = await this.connect({ ...asking, device: asking.device ?? (await this.device(uuid)) });
    this.registry.owners.set(`uuid:${uuid}`, owner);
    const accesstoken = this.provider.issue(`token of ${owner}`, { owner });
    await send(client, '/oic/sec/session', { di: uuid, uid: owner, accesstoken, login: true });
    return client;
  }

  /** The signer is there, with these CAs, and issues certificates from now on. */
  signerAnswers(bundle: readonly TestCa[] = [this.siteCa]): void {
    this.registry.bundle = bundle.map(({ certPem }) => certPem);
    const subjectAltNames = serverNames(hostname(), []).map(({ type, value }) => `${type.toUpperCase()}:${value}`);
    this.registry.issue = async (_service, request) => {
      const pem = pemFromDer('CERTIFICATE REQUEST', request);
      const { chainPem } = await this.siteCa.sign(pem, { extendedKeyUsage: identityUsage, subjectAltNames });
      return chainPem;
    };
  }

  /** The signer announces another set of CAs. */
  async trust(bundle: readonly TestCa[]): Promise<void> {
    this.registry.bundle = bundle.map(({ certPem }) => certPem);
    await publishEvent(this.context.mqtt, trustBundleChanged, { version: 2 });
  }

  /** Adds a line to the settings, and has it read. */
  async configure(line: string): Promise<void> {
    await appendFile(`${this.directory}/tedge.toml`, `${line}\n`);
    await this.context.reloadSettings();
  }

  /** The registry announces another owner of a device. */
  async announceOwner(device: string, owner?: string): Promise<void> {
    await publishEvent(this.context.mqtt, deviceOwnerChanged, {
      deviceId: deviceId.parse(device),
      ...(owner === undefined ? {} : { owner }),
    });
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

  private async start(app: INestMicroservice, options: GatewaySiteOptions): Promise<void> {
    const { context, entrances, opened, devices } = this;
    const { authorization = this.provider, attempts = new AttemptLimit() } = options;
    const front = new GatewayFront(context, entrances);
    const owners = new DeviceOwners(context);
    const work = options.work?.(context, devices) ?? new NoWork();
    const presence = options.presence?.(context, devices) ?? new NoPresence();
    const parts = new SessionDependencies(authorization, owners, devices, work, presence, attempts);
    const entrance = new CoapDeviceEntrance(front, context, parts);
    opened.use(this.siteCa);
    opened.defer(() => closeTestContext(context));
    opened.defer(() => app.close());
    opened.defer(() => entrances.beforeApplicationShutdown());
    opened.defer(() => front.beforeApplicationShutdown());
    opened.defer(() => entrance.beforeApplicationShutdown());
    await entrances.onModuleInit();
    await front.onModuleInit();
    await owners.onModuleInit();
    await entrance.onApplicationBootstrap();
    if (this.port === 0 && options.certificateFrom !== 'signer') throw new Error('The entrance did not open.');
  }
}

export interface Answer {
  readonly code: CoapResponse['code'];
  /** Of CBOR; undefined without a payload. */
  readonly body: unknown;
  /** The payload of an error. */
  readonly text: string;
}

/** Sends a map as CBOR, as OCF devices do, and reads the answer. */
export async function send(
  client: CoapClient,
  path: string,
  body: unknown,
  request: Partial<OutgoingRequest> = {},
): Promise<Answer> {
  const payload = encodeCbor(body);
  return answerOf(await client.ask(path, { method: 'POST', contentFormat: 10_000, payload, ...request }));
}

/** What an answer says. */
export function answerOf({ code, payload = Buffer.alloc(0), contentFormat }: CoapResponse): Answer {
  const body = contentFormat === undefined || payload.length === 0 ? undefined : decodeCbor(payload);
  return { code, body, text: contentFormat === undefined ? payload.toString() : '' };
}

async function certificateSettings(siteCa: TestCa): Promise<string[]> {
  const { certPath, keyPath } = await siteCa.issue({
    commonName: `uuid:${hub}`,
    extendedKeyUsage: identityUsage,
    subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'],
  });
  return [`coap.tls.cert_path = "${certPath}"`, `coap.tls.key_path = "${keyPath}"`];
}

async function writeSettings(directory: string, lines: readonly string[]): Promise<void> {
  const text = ['coap.bind.port = 0', ...lines].map((line) => `${line}\n`).join('');
  await writeFile(`${directory}/tedge.toml`, text);
}
