import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { loadSettings } from '@sallyport/config';
import { connectMqtt } from '@sallyport/mqtt';
import { statePlaces } from '@sallyport/protocol';
import { spawnMosquitto, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { networkConnection } from './network-connection.js';

async function settingsFrom(directory: string, lines: readonly string[]) {
  await writeFile(`${directory}/tedge.toml`, ['[mqtt.client]', ...lines, ''].join('\n'));
  return (await loadSettings({ configDir: directory, env: {}, cwd: directory })).settings;
}

describe('a service in a process of its own', () => {
  it('reaches a plain broker by host and port', async () => {
    await using directory = temporaryDirectory();
    await using broker = await spawnMosquitto();
    const settings = await settingsFrom(directory.path, ['host = "127.0.0.1"', `port = ${broker.port}`]);
    const mqtt = await connectMqtt(networkConnection(settings, 'agent'));
    expect(mqtt.isConnected).toBe(true);
    await mqtt.close();
  });

  it('reaches a broker by its IPv6 address', async () => {
    await using directory = temporaryDirectory();
    const broker = createServer().listen(0, '::1');
    await once(broker, 'listening');
    const address = broker.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const settings = await settingsFrom(directory.path, ['host = "::1"', `port = ${port}`]);
    const connecting = connectMqtt(networkConnection(settings, 'agent'), { onFault: () => undefined });
    const [socket] = await once(broker, 'connection');
    // CONNACK: accepted.
    socket.write(Buffer.from('20020000', 'hex'));
    const mqtt = await connecting;
    expect(mqtt.isConnected).toBe(true);
    socket.destroy();
    await mqtt.close();
    broker.close();
  });

  it.each(['ca_file', 'ca_dir'])('reaches a broker at level mutual with its certificate, trusting %s', async (key) => {
    await using directory = temporaryDirectory();
    await using ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'broker', subjectAltNames: ['DNS:localhost'] });
    const client = await ca.issue({ commonName: 'agent' });
    const tls = { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath };
    await using broker = await spawnMosquitto({ tls, requireCertificate: true });
    await writeFile(directory.file('site.crt'), ca.certPem);
    const settings = await settingsFrom(directory.path, [
      'host = "localhost"',
      `port = ${broker.port}`,
      `auth.${key} = "${key === 'ca_dir' ? directory.path : ca.certPath}"`,
      `auth.cert_file = "${client.certPath}"`,
      `auth.key_file = "${client.keyPath}"`,
    ]);
    const mqtt = await connectMqtt(networkConnection(settings, 'agent'));
    expect(mqtt.isConnected).toBe(true);
    await mqtt.close();
  });

  it('is found again by the broker after a restart', async () => {
    await using directory = temporaryDirectory();
    const first = networkConnection(await settingsFrom(directory.path, []), 'agent');
    const second = networkConnection(await settingsFrom(directory.path, []), 'agent');
    expect(second.clientId).toBe(first.clientId);
  });

  it('keeps its subscriptions beside those of another replica', async () => {
    await using broker = await spawnMosquitto();
    await using ours = temporaryDirectory();
    await using theirs = temporaryDirectory();
    const faults: Error[] = [];
    const replicas = await Promise.all(
      [ours, theirs].map(async ({ path }) => {
        const settings = await settingsFrom(path, [`port = ${broker.port}`]);
        return connectMqtt(networkConnection(settings, 'agent'), { onFault: (fault) => faults.push(fault) });
      }),
    );
    const received: string[] = [];
    for (const [number, mqtt] of replicas.entries())
      await mqtt.subscribe('sallyport/v1/event/example', () => {
        received.push(`replica ${number}`);
      });
    await replicas[0]?.publish('sallyport/v1/event/example', '{}');
    await waitFor(() => received.length === 2, { what: 'both replicas to hear of it' });
    expect([received.toSorted(), faults]).toEqual([['replica 0', 'replica 1'], []]);
    for (const mqtt of replicas) await mqtt.close();
  });

  it('refuses a certificate without its key, naming both settings', async () => {
    await using directory = temporaryDirectory();
    const settings = await settingsFrom(directory.path, ['auth.cert_file = "/a.crt"']);
    expect(() => networkConnection(settings, 'agent')).toThrow(
      /mqtt\.client\.auth\.cert_file is set, mqtt\.client\.auth\.key_file is not set/,
    );
  });

  it('uses the back side of the broker when it is set, and says there which service it is', async () => {
    await using directory = temporaryDirectory();
    const socket = directory.file('broker.sock');
    await using broker = await spawnMosquitto({ config: [`listener 0 ${socket}`] });
    const settings = await settingsFrom(directory.path, ['port = 1', '[mqtt.broker]', `url = "unix:${socket}"`]);
    const mqtt = await connectMqtt(networkConnection(settings, 'agent'));
    await waitFor(() => broker.output().includes("u'service/agent'"));
    await mqtt.close();
  });

  it.each([
    ['url = "mqtt://broker:1884"', 'mqtt://broker:1884'],
    ['socket = "/run/broker.sock"', 'unix:/run/broker.sock'],
    ['socket = "/run/broker.sock"\nurl = "unix:/run/other.sock"', 'unix:/run/other.sock'],
  ])('reaches the broker by %j at %s', async (lines, url) => {
    await using directory = temporaryDirectory();
    const settings = await settingsFrom(directory.path, ['port = 1', '[mqtt.broker]', lines]);
    expect(networkConnection(settings, 'agent')).toMatchObject({ kind: 'network', url });
  });

  it('shows the certificate it enrolled for at a back side with TLS', async () => {
    await using directory = temporaryDirectory();
    await using ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'broker', subjectAltNames: ['DNS:localhost'] });
    const own = await ca.issue({ commonName: 'agent' });
    const tls = { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath };
    await using broker = await spawnMosquitto({ tls, requireCertificate: true });
    const settings = await settingsFrom(directory.path, ['[mqtt.broker]', `url = "mqtts://localhost:${broker.port}"`]);
    const connection = networkConnection(settings, 'agent');
    const early = connectMqtt(connection, { onFault: () => undefined, signal: AbortSignal.timeout(500) });
    await expect(early).rejects.toThrow();
    const folder = statePlaces(settings.stateDirectory).folderOf('agent');
    await mkdir(folder, { recursive: true });
    for (const [from, name] of [
      [own.certPath, 'certificate.pem'],
      [own.keyPath, 'private-key.pem'],
      [ca.certPath, 'ca.pem'],
    ] as const)
      await copyFile(from, `${folder}/${name}`);
    const mqtt = await connectMqtt(connection);
    await waitFor(() => broker.output().includes("u'agent'"));
    await mqtt.close();
  });
});
