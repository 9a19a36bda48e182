import 'reflect-metadata';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { connectMqtt, mqttRpcServer, publishEvent, RpcHandler } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  admitPeer,
  type DeviceId,
  type DeviceState,
  deviceChanged,
  deviceId,
  type Fingerprint,
  isTokenAdmission,
  recordRefusal,
} from '@sallyport/protocol';
import { type ConnectedContextOptions, openLog } from '@sallyport/runtime';
import { closeTestContext, openTestContext, TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, type TestCertificate, temporaryDirectory, waitFor } from '@sallyport/testkit';
import type { Connection } from '@sallyport/tls';
import { certificatesFromPem } from '@sallyport/x509';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EntranceOptions } from './entrance.js';
import { serviceCertificateFiles } from './entrance-settings.js';
import { Entrances } from './entrances.js';
import { configuredSource } from './security-source.js';

const admitAll = (asked: AdmissionRequest): AdmissionDecision => ({
  outcome: 'admitted',
  deviceId: asked.deviceId,
  kind: asked.kind,
});

/** A registry in miniature: a real RPC service that answers what the test wants. */
@Controller()
class SmallRegistry {
  decide: (asked: AdmissionRequest) => AdmissionDecision | Promise<AdmissionDecision> = admitAll;
  readonly asked: AdmissionRequest[] = [];
  readonly recorded: string[] = [];
  /** Ends the wait of every refusal. */
  recording: Promise<void> = Promise.resolve();

  @RpcHandler(admitPeer)
  admit(asked: AdmissionRequest): AdmissionDecision | Promise<AdmissionDecision> {
    this.asked.push(asked);
    return this.decide(asked);
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

describe('an entrance of a service', () => {
  let ca: TestCa;
  let server: TestCertificate;
  let child: TestCertificate;
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let registryApp: INestMicroservice | undefined;

  beforeAll(async () => {
    ca = await TestCa.create();
    server = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
    child = await ca.issue({ commonName: 'child01' });
  });

  afterAll(() => ca[Symbol.asyncDispose]());

  beforeEach(async () => {
    directory = temporaryDirectory();
    await configure({});
    context = await openTestContext(directory.path);
    entrances = new Entrances(context);
    await entrances.onModuleInit();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await registryApp?.close();
    registryApp = undefined;
    await closeTestContext(context);
    await directory.remove();
  });

  const configure = (keys: Readonly<Record<string, string>>) => {
    const lines = Object.entries(keys).map(([key, value]) => `${key} = "${value}"`);
    return writeFile(directory.file('tedge.toml'), ['[http]', 'bind.port = 0', ...lines, ''].join('\n'));
  };

  const configureMutual = () =>
    configure({ cert_path: server.certPath, key_path: server.keyPath, ca_path: ca.certPath });

  async function startRegistry(): Promise<SmallRegistry> {
    const strategy = mqttRpcServer(context.mqttConnection);
    registryApp = await NestFactory.createMicroservice(SmallRegistryModule, { strategy, logger: false });
    await registryApp.listen();
    return registryApp.get(SmallRegistry);
  }

  /** An entrance behind which every request is answered "hello". */
  async function openEntrance(options: Partial<EntranceOptions> = {}): Promise<void> {
    await context.reloadSettings();
    await entrances.open({
      name: 'greetings',
      source: configuredSource(context, 'http'),
      handler: { http: (_request, response) => void response.end('hello') },
      ...options,
    });
  }

  const port = () => entrances.describe()[0]?.port ?? 0;
  const greetingOverTls = (peer: TestCertificate = child) =>
    answer(
      httpsGet({ host: 'localhost', port: port(), agent: false, ca: ca.certPem, cert: peer.certPem, key: peer.keyPem }),
    );

  const announce = (state: DeviceState, fingerprints: Fingerprint[] = []) =>
    publishEvent(context.mqtt, deviceChanged, {
      deviceId: named('child01'),
      state,
      fingerprints,
      changedAt: new Date().toISOString(),
    });

  it('opens at the level its settings amount to, and says so', async () => {
    await openEntrance();
    expect(entrances.describe()).toMatchObject([{ name: 'greetings', group: 'http', level: 'plain', isOpen: true }]);
    expect(await answer(httpGet({ port: port(), agent: false }))).toBe('200 hello');
  });

  it('shows the fingerprint and the end of its certificate', async () => {
    await configureMutual();
    await openEntrance();
    const [certificate] = certificatesFromPem(server.certPem);
    expect(entrances.describe()).toMatchObject([
      { level: 'mutual', fingerprint: certificate?.fingerprint, notAfter: certificate?.notAfter.toISOString() },
    ]);
  });

  it('refuses to open with half a pair, naming both keys', async () => {
    await configure({ cert_path: server.certPath });
    await expect(openEntrance()).rejects.toThrow(/http\.cert_path.*http\.key_path|http\.key_path.*http\.cert_path/s);
    expect(entrances.describe()).toEqual([]);
  });

  it('goes from plain to mutual on reload, on the same port', async () => {
    await startRegistry();
    await openEntrance();
    const before = port();
    await configureMutual();
    await entrances.reload();
    expect(port()).toBe(before);
    expect(await greetingOverTls()).toBe('200 hello');
    await expect(answer(httpsGet({ host: 'localhost', port: port(), agent: false, ca: ca.certPem }))).rejects.toThrow();
  });

  it('keeps what it has when a reload fails', async () => {
    await startRegistry();
    await configureMutual();
    await openEntrance();
    await configure({ cert_path: server.certPath, key_path: child.keyPath, ca_path: ca.certPath });
    await expect(entrances.reload()).rejects.toThrow('http.key_path');
    expect(await greetingOverTls()).toBe('200 hello');
  });

  it('stays shut below level mutual when it is for administrators', async () => {
    await openEntrance({ mutualOnly: true });
    expect(entrances.describe()).toMatchObject([{ isOpen: false, level: 'mutual' }]);
    await configureMutual();
    await startRegistry();
    await entrances.reload();
    expect(entrances.describe()).toMatchObject([{ isOpen: true, level: 'mutual' }]);
    await configure({});
    await entrances.reload();
    expect(entrances.describe()).toMatchObject([{ isOpen: false }]);
  });

  it('lets in nobody of another kind than it is for', async () => {
    await startRegistry();
    await configureMutual();
    await openEntrance({ permittedKinds: new Set(['admin']) });
    expect(await greetingOverTls()).toMatch(/^403 /);
    expect(await metricsOf(context)).toContain('entrance="http",reason="not-permitted"} 1');
  });

  it('lets nobody in while the registry is silent', async () => {
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toMatch(/^503 /);
    expect(await metricsOf(context)).toContain('entrance="http",reason="admission-unavailable"} 1');
  });

  it('counts connections, handshakes and what was turned', async () => {
    await startRegistry();
    await configureMutual();
    await openEntrance();
    await greetingOverTls();
    await answer(httpGet({ host: '127.0.0.1', port: port(), agent: false }));
    const counted = await metricsOf(context);
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="accepted"} 2');
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="handshakes"} 1');
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="redirected"} 1');
  });

  it('asks the registry once for a peer that keeps coming', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    for (const _ of [1, 2, 3]) expect(await greetingOverTls()).toBe('200 hello');
    expect(registry.asked).toMatchObject([
      { deviceId: 'child01', kind: 'device', issuedHere: false, entrance: 'http' },
    ]);
  });

  it('asks again for a peer that was refused, so that a mended one gets in', async () => {
    const registry = await startRegistry();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toMatch(/^403 /);
    registry.decide = admitAll;
    expect(await greetingOverTls()).toBe('200 hello');
  });

  it.each([
    ['a minute is over', 60_000],
    ['the clock has been set back', -3_600_000],
  ])('asks again when %s', async (_, shiftMs) => {
    let shift = 0;
    const clock = { now: () => new Date(Date.now() + shift) };
    entrances = new Entrances(contextWith(context, { clock }));
    await entrances.onModuleInit();
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toBe('200 hello');

    shift = shiftMs;

    expect(await greetingOverTls()).toBe('200 hello');
    expect(registry.asked).toHaveLength(2);
  });

  it('asks the registry about a token each time, and lets it revoke the device', async () => {
    const registry = await startRegistry();
    const connected = Promise.withResolvers<Connection>();
    await openEntrance({ handler: { stream: (connection) => connected.resolve(connection) } });
    const socket = connect(port(), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    socket.write('sign in');
    const connection = await connected.promise;
    const expiresAt = new Date(context.clock.now().getTime() + 3_600_000);
    const claim = { deviceId: named('child01'), issuer: 'https://login.example', expiresAt };

    for (const _ of [1, 2]) await connection.identify(claim);
    await announce('revoked');
    await closed;

    expect(registry.asked).toMatchObject([
      { credential: 'token', deviceId: 'child01', entrance: 'http' },
      { credential: 'token', deviceId: 'child01', entrance: 'http' },
    ]);
  });

  it('asks again about a certificate it judges differently from before', async () => {
    const registry = await startRegistry();
    registry.decide = (asked) =>
      !isTokenAdmission(asked) && asked.issuedHere ? admitAll(asked) : { outcome: 'refused', reason: 'not-permitted' };
    const { clientCaPath } = serviceCertificateFiles(context.settings, 'agent');
    await mkdir(dirname(clientCaPath), { recursive: true });
    await writeFile(clientCaPath, ca.certPem);
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toBe('200 hello');

    await rm(clientCaPath);
    await entrances.reload();

    expect(await greetingOverTls()).toMatch(/^403 /);
  });

  it('forgets what it knew of a device that is changed, whichever certificates the announcement names', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toBe('200 hello');
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });

    await announce('locked', []);

    await waitFor(async () => (await greetingOverTls()).startsWith('403 '));
  });

  it('does not remember an answer that a change overtook', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    let letAnswer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letAnswer = resolve;
    });
    registry.decide = async (asked) => {
      await held;
      return admitAll(asked);
    };
    const overtaken = greetingOverTls().catch(() => 'cut');
    await waitFor(() => registry.asked.length === 1);
    await announce('revoked');
    expect(await overtaken).toBe('cut');
    letAnswer();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-revoked' });
    expect(await greetingOverTls()).toMatch(/^403 /);
  });

  it('asks the registry again while its announcements cannot be heard', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toBe('200 hello');
    await context.mqtt.close();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-revoked' });
    expect(await greetingOverTls()).toMatch(/^403 /);
  });

  it('goes by the last answer for its minute when neither registry nor announcements can be reached', async () => {
    await startRegistry();
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toBe('200 hello');
    await context.mqtt.close();
    await registryApp?.close();
    expect(await greetingOverTls()).toBe('200 hello');
  });

  it('tells the audit log about a peer the registry was never asked about', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    const stranger = await TestCa.create();
    expect(await greetingOverTls(await stranger.issue({ commonName: 'child01' }))).toMatch(/^403 /);
    await waitFor(() => registry.recorded.length > 0);
    expect(registry.recorded).toEqual(['issuer-unknown']);
    expect(registry.asked).toEqual([]);
    await stranger[Symbol.asyncDispose]();
  });

  it('leaves it to the registry to write down whom it refuses itself', async () => {
    const registry = await startRegistry();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });
    await configureMutual();
    await openEntrance();
    expect(await greetingOverTls()).toMatch(/^403 /);
    // Refused after it, and by the entrance alone.
    await expect(answer(httpsGet({ host: 'localhost', port: port(), agent: false, ca: ca.certPem }))).rejects.toThrow();
    await waitFor(() => registry.recorded.length > 0);
    expect(registry.recorded).toEqual(['no-certificate']);
  });

  it('leaves the registry time for admissions in a flood of refusals', async () => {
    const registry = await startRegistry();
    const held = Promise.withResolvers<void>();
    registry.recording = held.promise;
    await configureMutual();
    await openEntrance();
    let host = 1;
    const noCertificate = () => {
      host += 1;
      const from = { localAddress: `127.0.0.${host}` };
      return answer(httpsGet({ host: '127.0.0.1', port: port(), agent: false, ca: ca.certPem, ...from }));
    };

    await Promise.allSettled(Array.from({ length: 40 }, noCertificate));
    expect(await greetingOverTls()).toBe('200 hello');
    expect(registry.recorded).toHaveLength(16);
    expect(await metricsOf(context)).toContain('entrance="http",reason="no-certificate"} 40');

    held.resolve();
    await waitFor(async () => {
      await noCertificate().catch(() => undefined);
      return registry.recorded.length > 16;
    });
  });

  it('tells the registry once of a peer that knocks again and again', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    const noCertificate = () => answer(httpsGet({ host: 'localhost', port: port(), agent: false, ca: ca.certPem }));

    for (let count = 0; count < 40; count += 1) await noCertificate().catch(() => undefined);
    expect(await greetingOverTls()).toBe('200 hello');

    expect(await metricsOf(context)).toContain('entrance="http",reason="no-certificate"} 40');
    expect(registry.recorded).toEqual(['no-certificate']);
  });

  it('says once a minute that the registry is silent, however many knock', async () => {
    const lines: string[] = [];
    const log = openLog({ level: 'warn', destination: { write: (line) => lines.push(line) } });
    entrances = new Entrances(contextWith(context, { log }));
    await entrances.onModuleInit();
    await configureMutual();
    await openEntrance();

    await Promise.allSettled(Array.from({ length: 10 }, () => greetingOverTls()));

    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('device registry did not answer');
  });

  it.each(['locked', 'revoked', 'retired'] as const)(
    'ends the sessions of a device that is %s, within a second',
    async (state) => {
      await startRegistry();
      await configureMutual();
      await openEntrance();
      const session = await openSession(port(), ca, child);
      const startedAt = performance.now();
      await announce(state);
      await session.ended;
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    },
  );

  it('ends the session of a revoked device also while the entrance is shutting', async () => {
    await startRegistry();
    await configureMutual();
    await openEntrance({ handler: { http: (_request, response) => void response.write('a long answer') } });
    const session = await openSession(port(), ca, child);
    const startedAt = performance.now();
    const shut = entrances.beforeApplicationShutdown();
    await announce('revoked');
    await session.ended;
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await shut;
  });

  it('keeps its sessions when the registry comes back to the broker later than the entrance', async () => {
    const streams: Duplex[] = [];
    const openStream = () => {
      const stream = openBrokerStream(context);
      streams.push(stream);
      return stream;
    };
    const mqtt = await connectMqtt({ kind: 'in-process', openStream, clientId: 'entrance' });
    const lines: string[] = [];
    const log = openLog({ destination: { write: (line) => lines.push(line) } });
    entrances = new Entrances(contextWith(context, { mqtt, log }));
    await entrances.onModuleInit();
    await startRegistry();
    await configureMutual();
    await openEntrance();
    const session = await openSession(port(), ca, child);

    await registryApp?.close();
    streams.at(-1)?.destroy();
    await waitFor(() => lines.some((line) => line.includes('device registry did not answer')));
    const registry = await startRegistry();
    await waitFor(() => registry.asked.length > 0);

    expect(session.isOpen()).toBe(true);
    session.close();
    await mqtt.close();
  });

  it('ends the session of a revoked certificate and leaves the same device with its new one alone', async () => {
    const registry = await startRegistry();
    await configureMutual();
    await openEntrance();
    const renewed = await ca.issue({ commonName: 'child01' });
    const [oldSession, newSession] = [await openSession(port(), ca, child), await openSession(port(), ca, renewed)];
    const revoked = fingerprintOf(child);
    registry.decide = (asked) =>
      !isTokenAdmission(asked) && asked.fingerprint === revoked
        ? { outcome: 'refused', reason: 'certificate-revoked' }
        : admitAll(asked);
    await announce('active', [revoked]);
    await oldSession.ended;
    expect(newSession.isOpen()).toBe(true);
    newSession.close();
  });
});

function contextWith(context: TestContext, changes: Partial<ConnectedContextOptions>): TestContext {
  const readSettings = () => context.reloadSettings();
  return new TestContext({ ...context, settings: context.settings, readSettings, ...changes });
}

function openBrokerStream({ mqttConnection }: TestContext): Duplex {
  if (mqttConnection.kind !== 'in-process') throw new Error('the broker of a test is in memory');
  return mqttConnection.openStream();
}

function named(name: string): DeviceId {
  return deviceId.parse(name);
}

function fingerprintOf({ certPem }: TestCertificate): Fingerprint {
  const [certificate] = certificatesFromPem(certPem);
  if (certificate === undefined) throw new Error('no certificate');
  return certificate.fingerprint;
}

function metricsOf(context: TestContext): Promise<string> {
  return context.metrics.metrics();
}

function answer(outgoing: ReturnType<typeof httpGet>): Promise<string> {
  return new Promise((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (response: IncomingMessage) => {
      text(response).then((body) => resolve(`${response.statusCode} ${body}`), reject);
    });
  });
}

/** A connection that has been admitted and stays open. */
async function openSession(port: number, ca: TestCa, peer: TestCertificate) {
  const { connect } = await import('node:tls');
  const socket = connect({ host: 'localhost', port, ca: ca.certPem, cert: peer.certPem, key: peer.keyPem });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // The end of a cut session is a reset.
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  return { ended, isOpen: () => !socket.destroyed, close: () => socket.destroy() };
}
