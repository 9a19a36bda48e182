import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Daemon, runProgram, spawnMosquitto, spawnRedis, waitFor } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endRevokedSessions, startBroker } from './cluster/broker.js';
import { Cluster, type Machine } from './cluster/cluster.js';
import { OpenSession } from './cluster/open-session.js';
import type { Unit } from './cluster/unit.js';

const greeting = 'Hello thin-edge.io\n';
const done = { exitCode: 0, stderr: '' };
// Services reconnect to the broker within 5 s. On a busy machine everything else takes longer.
const recovery = { deadlineMs: 20_000 };

// The tests run in order: the steps of a platform team, with the commands of docs/deploy.md and the units of
// deploy/systemd.
describe('a cluster: each service a process of its own, Mosquitto at level mutual, Redis', () => {
  let cluster: Cluster;
  let second: Machine;
  let redis: Daemon & { url: string };
  let broker: Daemon;
  let registry: Unit;
  let signer: Unit;
  let agent: Unit;
  let secondAgent: Unit;

  beforeAll(async () => {
    redis = await spawnRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    cluster = await Cluster.prepare({ REDIS: redis.url });
    second = await cluster.addMachine('etc-2');
    registry = cluster.unit('sallyport@device-registry');
    signer = cluster.unit('sallyport@pki-signer');
    agent = cluster.unit('sallyport@agent');
    secondAgent = cluster.unit('sallyport@agent', second);
  });

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await broker?.stop();
    await redis?.stop();
  });

  const getsThrough = async (name: string, machine = cluster.main): Promise<boolean> =>
    (await cluster.curl(name, machine)).stdout === greeting;

  /** Whether the first and the second agent admit the device. */
  const getsThroughAtBoth = (name: string): Promise<boolean[]> =>
    Promise.all([getsThrough(name), getsThrough(name, second)]);

  const waitForBoth = (name: string): Promise<unknown> =>
    waitFor(async () => (await getsThroughAtBoth(name)).every((isIn) => isIn), recovery);

  it('is installed from the built bundles', async () => {
    await cluster.run('Install');
    expect((await cluster.sallyport('--version')).exitCode).toBe(0);
  });

  it('is founded by the process that needs no broker, and gives every service its certificate', async () => {
    await cluster.run('Settings');
    const founder = cluster.unit('sallyport');
    await founder.prints('Ctrl-C stops everything.', () => founder.start());
    await cluster.run('Certificates');
    expect(await founder.end('SIGTERM')).toBe(0);
  });

  it('starts in any order: services wait for the broker, and say so', async () => {
    const services = [agent, signer, registry];
    await Promise.all(services.map((unit) => unit.prints('MQTT fault, will be tried again', () => unit.start())));
    const started = Promise.all(services.map((unit) => unit.prints('"message":"service started"')));
    broker = await startBroker(cluster.broker);
    await started;
  });

  it('enrols a child and goes to mutual TLS', async () => {
    await cluster.enrol('child01');
    expect(await cluster.sallyport('secure', 'mutual')).toMatchObject(done);
  });

  it('takes a file and gives it back over mutual TLS', async () => {
    const put = ['-X', 'PUT', '-F', 'file=@foo.txt', '--write-out', '%{http_code}'];
    expect(await cluster.curl('child01', cluster.main, ...put)).toEqual({ ...done, stdout: '201' });
    expect(await cluster.curl('child01')).toEqual({ ...done, stdout: greeting });
  });

  it('gets a second agent beside the first', async () => {
    await cluster.run('Settings', second);
    await cluster.run('Another agent', cluster.main, [0]);
    await cluster.run('Another agent', second, [1]);
    await secondAgent.prints('"message":"service started"', () => secondAgent.start());
    const put = ['-X', 'PUT', '-F', 'file=@foo.txt'];
    await waitFor(async () => (await cluster.curl('child01', second, ...put)).exitCode === 0, recovery);
    expect(await cluster.curl('child01', second)).toEqual({ ...done, stdout: greeting });
    // Two sessions with one client id would disconnect each other again and again.
    expect(broker.output()).not.toContain('already connected');
  });

  it('refuses whoever has no certificate, at each agent and at the broker', async () => {
    const { ca } = cluster.filesOf('child01');
    for (const { httpPort } of [cluster.main, second]) {
      const url = `https://localhost:${httpPort}/tedge/file-transfer/foo.txt`;
      expect((await runProgram('curl', ['--silent', '--cacert', ca, url])).exitCode).toBe(56);
    }
    const words = ['-h', 'localhost', '-p', String(cluster.brokerPort), '--cafile', ca, '-t', 'x', '-m', 'x'];
    expect((await runProgram('mosquitto_pub', words)).exitCode).not.toBe(0);
  });

  it('keeps what services say to one another from devices', async () => {
    const { ca, cert, key } = cluster.filesOf('child01');
    const place = ['-h', 'localhost', '-p', String(cluster.brokerPort), '--cafile', ca, '--cert', cert, '--key', key];
    const topics = ['-t', 'sallyport/#', '-t', 'te/device/child01/#'];
    const heard = runProgram('mosquitto_sub', [...place, ...topics, '-q', '1', '-C', '1', '-W', '20', '-F', '%t %p']);
    await waitFor(() => broker.output().match(/as auto-[^\n]*child01/g), { what: 'the subscriber to connect' });
    await cluster.enrol('child02');
    const session = await OpenSession.open(cluster.main.httpPort, cluster.filesOf('child02'));
    const change = { deviceId: 'child02', state: 'revoked', fingerprints: [], changedAt: '2026-05-01T12:00:00.000Z' };
    const forged = JSON.stringify(change);
    const toServices = ['-q', '1', '-t', 'sallyport/v1/event/device-changed', '-m', forged];
    await runProgram('mosquitto_pub', [...place, ...toServices]);
    await runProgram('mosquitto_pub', [...place, '-q', '1', '-t', 'te/device/child01/x', '-m', 'own branch']);
    expect((await heard).stdout).toBe('te/device/child01/x own branch\n');
    // A later event of the registry has arrived everywhere, so the forged one would have arrived before it.
    await cluster.enrol('child03');
    expect(await getsThrough('child03')).toBe(true);
    expect(session.isOpen).toBe(true);
  });

  it('shows a device that speaks over MQTT, and its own services, as entities at each agent', async () => {
    const { ca, cert, key } = cluster.filesOf('child01');
    const place = ['-h', 'localhost', '-p', String(cluster.brokerPort), '--cafile', ca, '--cert', cert, '--key', key];
    await runProgram('mosquitto_pub', [...place, '-q', '1', '-t', 'te/device/child01///m/temp', '-m', '{"t":21}']);
    const names = ['agent', 'device-registry', 'pki-signer'].map((name) => `device/main/service/sallyport-${name}`);
    for (const { httpPort } of [cluster.main, second]) {
      const url = `https://localhost:${httpPort}/te/v1/entities`;
      const list = ['--silent', '--cacert', ca, '--cert', cert, '--key', key, url];
      const isListed = (text: string) => [...names, 'device/child01//'].every((id) => text.includes(`"${id}"`));
      await waitFor(async () => isListed((await runProgram('curl', list)).stdout), recovery);
    }
  });

  it('keeps a message that a service cannot handle, where that service alone may read it', async () => {
    const as = (service: string) => {
      const file = (base: string) => join(cluster.main.site, 'service-certs', service, base);
      const place = ['-h', 'localhost', '-p', String(cluster.brokerPort), '--cafile', file('ca.pem')];
      return [...place, '--cert', file('certificate.pem'), '--key', file('private-key.pem'), '-q', '1'];
    };
    const issued = ['-t', 'sallyport/v1/event/certificate-issued', '-m', 'not what was agreed'];
    await registry.prints('it is kept as a dead letter', async () => {
      expect((await runProgram('mosquitto_pub', [...as('pki-signer'), ...issued])).exitCode).toBe(0);
    });
    const letters = ['-t', 'sallyport/v1/dead-letter/#', '-t', 'sallyport/v1/event/certificate-issued', '-F', '%p'];
    const { stdout } = await runProgram('mosquitto_sub', [...as('device-registry'), ...letters, '-C', '1', '-W', '20']);
    expect(JSON.parse(stdout)).toMatchObject({
      topic: 'sallyport/v1/event/certificate-issued',
      payload: Buffer.from('not what was agreed').toString('base64'),
      failures: 1,
    });
    const read = await runProgram('mosquitto_sub', [...as('agent'), ...letters, '-C', '1', '-W', '3']);
    expect(read.stdout).toBe('');
  });

  it("shows the broker's next certificate once it has been renewed, and keeps every connection", async () => {
    const before = await cluster.brokerFingerprint();
    // As it is when it is due for renewal: less is left of its 30 days than is asked for.
    const due = { ...cluster.main, env: { ...cluster.main.env, TEDGE_CERTIFICATE_VALIDITY_MINIMUM_DURATION: '30d' } };
    await cluster.run("Renewal of the broker's certificate", due);
    process.kill(broker.pid, 'SIGHUP');
    await waitFor(async () => (await cluster.brokerFingerprint()) !== before, { what: 'the new certificate' });
    expect(agent.log).not.toContain('connected to the MQTT broker again');
  });

  it('ends the sessions of a revoked child at every agent within a second, and lets it in nowhere', async () => {
    const files = cluster.filesOf('child01');
    const sessions = await Promise.all([cluster.main, second].map(({ httpPort }) => OpenSession.open(httpPort, files)));
    expect(sessions.map(({ isOpen }) => isOpen)).toEqual([true, true]);
    expect(await cluster.sallyport('device', 'revoke', 'child01')).toMatchObject(done);
    const revokedAt = performance.now();
    for (const session of sessions) expect((await session.ended) - revokedAt).toBeLessThan(1_000);
    expect(await getsThroughAtBoth('child01')).toEqual([false, false]);
    expect((await cluster.sallyport('device', 'show', 'child01')).stdout).toContain('device-revoked');
  });

  it('ends the session of a revoked device at Mosquitto, where systemd runs end-revoked-sessions', async () => {
    await cluster.enrol('child10');
    const { ca, cert, key } = cluster.filesOf('child10');
    const place = ['-h', 'localhost', '-p', String(cluster.brokerPort), '--cafile', ca, '--cert', cert, '--key', key];
    const session = runProgram('mosquitto_sub', [...place, '-i', 'live', '-t', '#', '-W', '60']);
    await waitFor(() => /as live .*child10/.test(broker.output()), { what: 'the subscriber to connect' });
    const revoked = join(cluster.broker.crls, 'crl.pem.revoked');
    expect(await cluster.sallyport('device', 'revoke', 'child10')).toMatchObject(done);
    await waitFor(() => readFileSync(revoked, 'utf8').includes(' child10\n'), { what: 'the list to name it' });
    expect(await endRevokedSessions(cluster.broker, broker)).toMatchObject(done);
    // mosquitto_sub connects again, and gives up when it may not.
    expect((await session).stderr).toMatch(/TLS|lost/);
    expect((await runProgram('mosquitto_pub', [...place, '-t', 'te/device/child10/x', '-m', 'x'])).exitCode).not.toBe(
      0,
    );
  });

  it('goes on without a pause when one of two registries dies', async () => {
    const names = ['child04', 'child05', 'child06'];
    for (const name of names) await cluster.enrol(name);
    cpSync(`${cluster.main.site}/service-certs/device-registry`, `${second.site}/service-certs/device-registry`, {
      recursive: true,
    });
    const replica = cluster.unit('sallyport@device-registry', second);
    await replica.prints('"message":"service started"', () => replica.start());
    await replica.end('SIGKILL');
    for (const name of names) expect(await getsThrough(name)).toBe(true);
  });

  it('lets nobody new in while the registry is away, and recovers by itself', async () => {
    await cluster.enrol('child07');
    await registry.end('SIGKILL');
    expect(await getsThroughAtBoth('child07')).toEqual([false, false]);
    expect(agent.log).toContain('"reason":"admission-unavailable"');
    await registry.prints('"message":"service started"', () => registry.start());
    await waitForBoth('child07');
  });

  it('carries out a revocation made while the broker was away, once it is back', async () => {
    await cluster.enrol('child08');
    const session = await OpenSession.open(second.httpPort, cluster.filesOf('child02'));
    expect(session.isOpen).toBe(true);
    await broker.kill();
    expect(await getsThrough('child08')).toBe(false);
    expect(await cluster.sallyport('device', 'revoke', 'child02')).toMatchObject(done);
    broker = await startBroker(cluster.broker);
    await session.ended;
    await waitForBoth('child08');
    expect(await getsThroughAtBoth('child02')).toEqual([false, false]);
  });

  it('is all ready, and stops in order', async () => {
    await waitFor(async () => (await readyServices(cluster)).length === 3, recovery);
    const units = [secondAgent, agent, signer, registry];
    expect(await Promise.all(units.map((unit) => unit.end('SIGTERM')))).toEqual([0, 0, 0, 0]);
    expect(units.map((unit) => unit.log.includes('"message":"service stopped"'))).toEqual([true, true, true, true]);
  });
});

async function readyServices(cluster: Cluster): Promise<string[]> {
  const { stdout } = await cluster.sallyport('status');
  return stdout.split('\n').filter((line) => / ready$/.test(line));
}

const services = ['agent', 'pki-signer', 'device-registry'] as const;

describe('services of one machine, on one SQLite file and a plain broker', () => {
  let cluster: Cluster;
  let broker: Daemon;

  beforeAll(async () => {
    cluster = await Cluster.prepare();
    await cluster.run('Install');
  });

  beforeEach(async () => {
    broker = await spawnMosquitto({ port: cluster.brokerPort });
  });

  afterEach(async () => {
    await cluster.endUnits();
    await broker.stop();
  });

  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const startAll = async (): Promise<Unit[]> => {
    const units = services.map((service) => cluster.process(service));
    await Promise.all(units.map((unit) => unit.prints('"message":"service started"', () => unit.start())));
    return units;
  };

  it.each(services)('%s lists its flags when asked for help', async (service) => {
    const unit = cluster.process(service);
    unit.start('--help');
    expect(await unit.exitCode()).toBe(0);
    expect(unit.log).toMatch(new RegExp(`^Usage: ${service} .*--http\\.bind\\.port VALUE`, 's'));
  });

  it.each([
    ['a flag there is not', ['--no-such-flag', '1'], '--no-such-flag is not a flag'],
    ['a port that is no number', ['--http.bind.port', 'many'], 'http.bind.port'],
  ])('end with exit code 1 and say why: %s', async (_, args, reason) => {
    const unit = cluster.process('agent');
    unit.start(...args);
    expect(await unit.exitCode()).toBe(1);
    expect(unit.log).toContain(reason);
  });

  it('enrol a child together', async () => {
    await startAll();
    await cluster.enrol('child01');
    const { stdout } = await cluster.sallyport('device', 'show', 'child01');
    expect(stdout).toContain('active');
  });

  it('end at once on a signal while they wait for the broker', async () => {
    await broker.stop();
    const unit = cluster.process('agent');
    await unit.prints('ECONNREFUSED', () => unit.start());
    expect(await unit.end('SIGTERM')).toBe(143);
  });

  it('refuse to run twice on one configuration directory', async () => {
    await startAll();
    const twin = cluster.process('agent');
    twin.start();
    expect(await twin.exitCode()).toBe(1);
    expect(twin.log).toContain('Another agent already runs');
  });

  it('name the address that another program holds, and leave nothing behind', async () => {
    const holder = createServer().listen(cluster.main.httpPort, '127.0.0.1');
    await once(holder, 'listening');
    const unit = cluster.process('agent');
    unit.start();
    expect(await unit.exitCode()).toBe(1);
    expect(unit.log).toContain(`cannot use 127.0.0.1 port ${cluster.main.httpPort} (http.bind.port), where `);
    expect(existsSync(`${cluster.main.site}/run/sallyport/agent.sock`)).toBe(false);
    holder.close();
  });

  it('let a download finish when they are told to stop', async () => {
    const unit = cluster.process('agent');
    await unit.prints('"message":"service started"', () => unit.start());
    const size = 64 * 1024 * 1024;
    writeFileSync(`${cluster.main.site}/data/file-transfer/large.bin`, Buffer.alloc(size));
    const download = httpGet(`http://127.0.0.1:${cluster.main.httpPort}/tedge/file-transfer/large.bin`);
    const [response] = await once(download, 'response');
    const ended = unit.end('SIGTERM');
    await waitFor(() => refusesConnections(cluster.main.httpPort), { what: 'the port to close' });
    let received = 0;
    for await (const chunk of response) received += chunk.length;
    expect([received, await ended]).toEqual([size, 0]);
  });
});

async function refusesConnections(port: number): Promise<boolean> {
  const { exitCode } = await runProgram('curl', ['--silent', `http://127.0.0.1:${port}/`]);
  return exitCode === 7;
}
