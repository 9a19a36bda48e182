import { writeFile } from 'node:fs/promises';
import type { get as httpGet, IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mqttRpcServer, publishEvent, RpcHandler } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  admitPeer,
  type DeviceId,
  type DeviceState,
  deviceChanged,
  deviceId,
  type Fingerprint,
  type ReportedContact,
  recordRefusal,
  reportContacts,
} from '@sallyport/protocol';
import type { ConnectedContextOptions } from '@sallyport/runtime';
import { closeTestContext, openTestContext, TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { certificatesFromPem } from '@sallyport/x509';
import type { EntranceOptions } from './entrance.js';
import { Entrances } from './entrances.js';
import { configuredSource } from './security-source.js';

/** Admits every peer as what it says it is. */
export const admitAll = (asked: AdmissionRequest): AdmissionDecision => ({
  outcome: 'admitted',
  deviceId: asked.deviceId,
  kind: asked.kind,
});

/** A registry in miniature: a real RPC service that answers what the test wants. */
@Controller()
export class SmallRegistry {
  decide: (asked: AdmissionRequest) => AdmissionDecision | Promise<AdmissionDecision> = admitAll;
  readonly asked: AdmissionRequest[] = [];
  readonly recorded: string[] = [];
  readonly reports: ReportedContact[][] = [];
  /** Ends the wait of every refusal. */
  recording: Promise<void> = Promise.resolve();

  @RpcHandler(admitPeer)
  admit(asked: AdmissionRequest): AdmissionDecision | Promise<AdmissionDecision> {
    this.asked.push(asked);
    return this.decide(asked);
  }

  @RpcHandler(reportContacts)
  take({ contacts }: { readonly contacts: ReportedContact[] }): Record<string, never> {
    this.reports.push(contacts);
    return {};
  }

  @RpcHandler(recordRefusal)
  async record({ reason }: { readonly reason: string }): Promise<Record<string, never>> {
    this.recorded.push(reason);
    await this.recording;
    return {};
  }
}

@Module({ controllers: [SmallRegistry] })
class SmallRegistryModule {}

/** What one test has of its own. */
interface Running {
  readonly directory: TemporaryDirectory;
  readonly context: TestContext;
  entrances: Entrances;
  registryApp: INestMicroservice | undefined;
}

/** A service with an entrance, certificates for both sides of it, and a registry to ask. */
export class EntranceSite {
  private started: Running | undefined;

  private constructor(
    readonly ca: TestCa,
    readonly server: TestCertificate,
    readonly child: TestCertificate,
  ) {}

  static async create(): Promise<EntranceSite> {
    const ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
    return new EntranceSite(ca, server, await ca.issue({ commonName: 'child01' }));
  }

  async start(): Promise<void> {
    const directory = temporaryDirectory();
    await writeSettings(directory, {});
    const context = await openTestContext(directory.path);
    const entrances = new Entrances(context);
    this.started = { directory, context, entrances, registryApp: undefined };
    await entrances.onModuleInit();
  }

  async stop(): Promise<void> {
    const { entrances, context, directory } = this.running;
    await entrances.beforeApplicationShutdown();
    await this.closeRegistry();
    await closeTestContext(context);
    await directory.remove();
  }

  remove(): Promise<void> {
    return this.ca[Symbol.asyncDispose]();
  }

  private get running(): Running {
    if (this.started === undefined) throw new Error('the service does not run');
    return this.started;
  }

  get context(): TestContext {
    return this.running.context;
  }

  get entrances(): Entrances {
    return this.running.entrances;
  }

  set entrances(entrances: Entrances) {
    this.running.entrances = entrances;
  }

  configure(keys: Readonly<Record<string, string>>): Promise<void> {
    return writeSettings(this.running.directory, keys);
  }

  configureMutual(): Promise<void> {
    return this.configure({
      cert_path: this.server.certPath,
      key_path: this.server.keyPath,
      ca_path: this.ca.certPath,
    });
  }

  async startRegistry(): Promise<SmallRegistry> {
    const strategy = mqttRpcServer(this.context.mqttConnection);
    const app = await NestFactory.createMicroservice(SmallRegistryModule, { strategy, logger: false });
    this.running.registryApp = app;
    await app.listen();
    return app.get(SmallRegistry);
  }

  async closeRegistry(): Promise<void> {
    await this.running.registryApp?.close();
    this.running.registryApp = undefined;
  }

  /** An entrance behind which every request is answered "hello". */
  async openEntrance(options: Partial<EntranceOptions> = {}): Promise<void> {
    await this.context.reloadSettings();
    await this.entrances.open({
      name: 'greetings',
      source: configuredSource(this.context, { group: 'http' }),
      handler: { http: (_request, response) => void response.end('hello') },
      ...options,
    });
  }

  port(): number {
    return this.entrances.describe()[0]?.port ?? 0;
  }

  greetingOverTls({ certPem: cert, keyPem: key }: TestCertificate = this.child): Promise<string> {
    return answer(httpsGet({ host: 'localhost', port: this.port(), agent: false, ca: this.ca.certPem, cert, key }));
  }

  announce(state: DeviceState, fingerprints: Fingerprint[] = []): Promise<void> {
    return publishEvent(this.context.mqtt, deviceChanged, {
      deviceId: named('child01'),
      state,
      fingerprints,
      changedAt: new Date().toISOString(),
    });
  }
}

function writeSettings(directory: TemporaryDirectory, keys: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(keys).map(([key, value]) => `${key} = "${value}"`);
  return writeFile(directory.file('tedge.toml'), ['[http]', 'bind.port = 0', ...lines, ''].join('\n'));
}

/** The context of a test with parts of it replaced. */
export function contextWith(context: TestContext, changes: Partial<ConnectedContextOptions>): TestContext {
  const readSettings = () => context.reloadSettings();
  return new TestContext({ ...context, settings: context.settings, readSettings, ...changes });
}

/** A connection to the broker of a test. */
export function openBrokerStream({ mqttConnection }: TestContext): Duplex {
  if (mqttConnection.kind !== 'in-process') throw new Error('the broker of a test is in memory');
  return mqttConnection.openStream();
}

export function named(name: string): DeviceId {
  return deviceId.parse(name);
}

export function fingerprintOf({ certPem }: TestCertificate): Fingerprint {
  const [certificate] = certificatesFromPem(certPem);
  if (certificate === undefined) throw new Error('no certificate');
  return certificate.fingerprint;
}

export function metricsOf(context: TestContext): Promise<string> {
  return context.metrics.metrics();
}

/** Status and body of the answer, in one line. */
export function answer(outgoing: ReturnType<typeof httpGet>): Promise<string> {
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (response: IncomingMessage) => {
      text(response).then((body) => resolve(`${response.statusCode} ${body}`), reject);
    });
  });
}

/** A connection that has been admitted and stays open. */
export async function openSession(port: number, ca: TestCa, peer: TestCertificate) {
  const socket = connect({ host: 'localhost', port, ca: ca.certPem, cert: peer.certPem, key: peer.keyPem });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // The end of a cut session is a reset.
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  return { ended, isOpen: () => !socket.destroyed, close: () => socket.destroy() };
}
