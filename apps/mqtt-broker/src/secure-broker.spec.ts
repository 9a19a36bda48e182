import { copyFile, mkdir } from 'node:fs/promises';
import { connect } from 'node:tls';
import { type BrokerLimits, EmbeddedBroker } from '@sallyport/embedded-broker';
import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import { answerRefused } from '@sallyport/mqtt-wire';
import type { RefusalReason } from '@sallyport/protocol';
import {
  type ProgramResult,
  runProgram,
  TestCa,
  type TestCertificate,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { readSecurityFiles, SecureListener } from '@sallyport/tls';
import { describe, expect, it } from 'vitest';

interface Site extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  readonly listener: SecureListener;
  readonly port: number;
  readonly ca: TestCa;
  readonly refusals: RefusalReason[];
  device(commonName: string): Promise<TestCertificate>;
  connect(certificate: TestCertificate, clientId: string): Promise<Mqtt>;
  mosquitto(program: 'mosquitto_pub' | 'mosquitto_sub', ...args: string[]): Promise<ProgramResult>;
}

const keys = { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' };

/** A broker behind the secure listener; everybody whose certificate the CA issued is admitted, but `revoked`. */
async function openSite(level: 'server' | 'mutual', limits: Partial<BrokerLimits> = {}): Promise<Site> {
  const ca = await TestCa.create();
  const directory = temporaryDirectory();
  await mkdir(directory.file('ca'));
  await copyFile(ca.certPath, directory.file('ca', 'root.pem'));
  const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const caPath = level === 'mutual' ? directory.file('ca') : undefined;
  const { settings } = await readSecurityFiles({ certPath, keyPath, caPath, keys });
  const broker = new EmbeddedBroker({ limits, onWarning: () => undefined });
  const refusals: RefusalReason[] = [];
  const listener = new SecureListener({
    name: 'mqtt',
    host: '127.0.0.1',
    port: 0,
    security: settings,
    admission: {
      admit: async ({ deviceId, kind }) =>
        deviceId === 'revoked'
          ? { outcome: 'refused', reason: 'device-revoked' }
          : { outcome: 'admitted', deviceId, kind },
    },
    events: { onRefusal: ({ reason }) => void refusals.push(reason), onWarning: () => undefined },
    handler: { stream: ({ socket, peer }) => broker.accept(socket, peer), refuseStream: answerRefused },
  });
  const { port } = await listener.listen();
  const opened: Mqtt[] = [];
  return {
    broker,
    listener,
    port,
    ca,
    refusals,
    device: (commonName) => ca.issue({ commonName, extendedKeyUsage: 'clientAuth' }),
    connect: async ({ certPem: cert, keyPem: key }, clientId) => {
      const tls = async () => ({ ca: [ca.certPem], cert, key });
      const url = `mqtts://localhost:${port}`;
      const mqtt = await connectMqtt({ kind: 'network', url, tls, clientId }, { onFault: () => undefined });
      opened.push(mqtt);
      return mqtt;
    },
    mosquitto: (program, ...args) =>
      runProgram(program, ['-h', 'localhost', '-p', String(port), '--cafile', ca.certPath, '-q', '1', ...args]),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(opened.map((mqtt) => mqtt.close()));
      await listener.close({ drainMs: 0 });
      await broker.close();
      await directory.remove();
      await ca[Symbol.asyncDispose]();
    },
  };
}

describe('broker behind TLS with server authentication', () => {
  it('serves a client that trusts its CA', async () => {
    await using site = await openSite('server');
    expect(await site.mosquitto('mosquitto_pub', '-t', 'te/a', '-m', 'hello', '-r')).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect((await site.mosquitto('mosquitto_sub', '-t', 'te/a', '-C', '1', '-W', '5')).stdout).toBe('hello\n');
  });
});

describe('broker behind mutual TLS', () => {
  it('serves a client with a certificate', async () => {
    await using site = await openSite('mutual');
    const { certPath, keyPath } = await site.device('child01');
    const credentials = ['--cert', certPath, '--key', keyPath, '-t', 'te/device/child01/a'];
    expect((await site.mosquitto('mosquitto_pub', '-m', 'hello', '-r', ...credentials)).exitCode).toBe(0);
    expect((await site.mosquitto('mosquitto_sub', '-C', '1', '-W', '5', ...credentials)).stdout).toBe('hello\n');
  });

  it('turns away a client without one', async () => {
    await using site = await openSite('mutual');
    expect((await site.mosquitto('mosquitto_pub', '-t', 'te/a', '-m', 'hello')).exitCode).not.toBe(0);
    await waitFor(() => site.refusals.includes('no-certificate'));
    expect(site.broker.clients).toBe(0);
  });

  it.each([
    ['mqttv311', 'Connection Refused: not authorised'],
    ['mqttv31', 'Connection Refused: not authorised'],
    ['mqttv5', 'Not authorized'],
  ])('tells a revoked client of %s that it is not authorised, and serves it nothing', async (version, sentence) => {
    await using site = await openSite('mutual');
    const { certPath, keyPath } = await site.device('revoked');
    const args = ['-t', 'te/a', '-m', 'hello', '-V', version, '--cert', certPath, '--key', keyPath];
    const { exitCode, stderr } = await site.mosquitto('mosquitto_pub', ...args);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(sentence);
    expect(site.refusals).toEqual(['device-revoked']);
    expect(site.broker.clients).toBe(0);
  });

  it.each([
    ['anything but a CONNECT', Buffer.from('c000', 'hex')],
    ['a CONNECT without end', Buffer.concat([Buffer.from('10ffff7f00044d515454', 'hex'), Buffer.alloc(20_000)])],
  ])('closes the connection of a revoked client that sends %s, without a word', async (_, bytes) => {
    await using site = await openSite('mutual');
    const { certPem: cert, keyPem: key } = await site.device('revoked');
    const socket = connect({ port: site.port, host: 'localhost', ca: site.ca.certPem, cert, key });
    let said = 0;
    socket.on('data', ({ length }) => {
      said += length;
    });
    socket.on('error', () => socket.destroy());
    socket.write(bytes);
    await new Promise((closed) => socket.once('close', closed));
    expect(said).toBe(0);
  });

  it('lets no device take over the session of another with its client id', async () => {
    await using site = await openSite('mutual');
    const victim = await site.connect(await site.device('child01'), 'child01');
    const received: string[] = [];
    const topic = 'te/device/child01/a';
    await victim.subscribe(topic, (_topic, payload) => void received.push(String(payload)));
    const thief = await site.device('child02');
    const stolenId = `child01/subscription/${topic}`;
    const own = ['-t', 'te/device/child02/a', '--cert', thief.certPath, '--key', thief.keyPath];
    await site.mosquitto('mosquitto_sub', '-i', stolenId, '-c', '-E', ...own);
    expect(victim.isConnected).toBe(true);
    await victim.publish(topic, 'private');
    await waitFor(() => received.length === 1);
    expect(received).toEqual(['private']);
  });

  it('leaves room for the sessions of other devices, however many one keeps', async () => {
    await using site = await openSite('mutual', { sessions: 3, sessionsPerIdentity: 2 });
    const keepSession = async ({ certPath, keyPath }: TestCertificate, id: string) => {
      const args = ['-t', '#', '-c', '-E', '-i', id, '--cert', certPath, '--key', keyPath];
      return (await site.mosquitto('mosquitto_sub', ...args)).exitCode;
    };
    const [greedy, modest] = [await site.device('child01'), await site.device('child02')];
    expect([await keepSession(greedy, '1'), await keepSession(greedy, '2')]).toEqual([0, 0]);
    expect(await keepSession(greedy, '3')).not.toBe(0);
    expect(await keepSession(modest, '1')).toBe(0);
  });

  it('keeps a device off what another says, hears and has stored', async () => {
    await using site = await openSite('mutual');
    const owner = await site.connect(await site.device('child01'), 'child01');
    await owner.publish('te/device/child01///twin/name', 'press', { retain: true });
    const { certPath, keyPath } = await site.device('child02');
    const credentials = ['--cert', certPath, '--key', keyPath];
    const command = ['-t', 'te/device/child01///cmd/restart/1', '-m', '{}', ...credentials];
    const wipe = ['-t', 'te/device/child01///twin/name', '-n', '-r', ...credentials];
    for (const args of [command, wipe]) expect((await site.mosquitto('mosquitto_pub', ...args)).exitCode).not.toBe(0);
    const spied = await site.mosquitto('mosquitto_sub', '-t', '#', '-W', '1', ...credentials);
    expect(spied.stdout).toBe('');
    const received: string[] = [];
    await owner.subscribe('te/device/child01/#', (_topic, payload) => void received.push(String(payload)));
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['press']);
  });

  it("refuses services' topics to a device too", async () => {
    await using site = await openSite('mutual');
    const { certPath, keyPath } = await site.device('child01');
    const topic = 'sallyport/v1/event/device-changed';
    const args = ['--cert', certPath, '--key', keyPath, '-t', topic, '-m', '{}'];
    expect((await site.mosquitto('mosquitto_pub', ...args)).exitCode).not.toBe(0);
  });

  it('ends the MQTT session of a peer whose sessions are cut', async () => {
    await using site = await openSite('mutual');
    const revoked = await site.connect(await site.device('child01'), 'child01');
    const other = await site.connect(await site.device('child02'), 'child02');
    await revoked.subscribe('te/device/child01/a', () => undefined);
    expect(site.broker.clients).toBe(3);
    site.listener.refuseSessions(({ deviceId }) => (deviceId === 'child01' ? 'device-revoked' : undefined));
    await waitFor(() => !revoked.isConnected, { deadlineMs: 1_000 });
    expect(other.isConnected).toBe(true);
  });
});
