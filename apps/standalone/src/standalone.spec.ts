import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { openLog } from '@sallyport/runtime';
import { freePorts, runProgram, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { startStandalone } from './standalone.js';

// None of these tests connects there.
const otherPorts = {
  TEDGE_CONNECTOR_BIND_PORT: '0',
  TEDGE_CONNECTOR_MQTT_BIND_PORT: '0',
  TEDGE_COAP_BIND_PORT: '0',
  TEDGE_PKI_COAP_BIND_PORT: '0',
};

async function hold(port: number): Promise<AsyncDisposable> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('the start of the whole system', () => {
  it('names every port that others hold, not only the first', async () => {
    await using directory = temporaryDirectory('sp-');
    const [http = 0, mqtt = 0, pki = 0, crl = 0] = await freePorts(4);
    await using _agent = await hold(http);
    await using _broker = await hold(mqtt);
    const env = {
      TEDGE_HTTP_BIND_PORT: String(http),
      TEDGE_MQTT_BIND_PORT: String(mqtt),
      TEDGE_PKI_BIND_PORT: String(pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(crl),
      ...otherPorts,
    };
    const options = { configDir: directory.path, argv: [] };
    const start = startStandalone({ env, cwd: directory.path, options, log: openLog({ level: 'silent' }) });
    await expect(start).rejects.toMatchObject({
      type: 'config-invalid',
      ports: [
        { name: 'MQTT', portKey: 'mqtt.bind.port', port: mqtt },
        { name: 'file transfer', portKey: 'http.bind.port', port: http },
      ],
    });
  });

  it('writes nothing into the configuration directory when state, data and sockets have places of their own', async () => {
    await using directory = temporaryDirectory('sp-');
    const [http = 0, mqtt = 0, pki = 0, crl = 0] = await freePorts(4);
    const env = {
      TEDGE_HTTP_BIND_PORT: String(http),
      TEDGE_MQTT_BIND_PORT: String(mqtt),
      TEDGE_PKI_BIND_PORT: String(pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(crl),
      ...otherPorts,
      TEDGE_STATE_PATH: directory.file('state'),
      TEDGE_DATA_PATH: directory.file('data'),
      TEDGE_RUN_PATH: directory.file('run'),
    };
    const configDir = directory.file('etc');
    await mkdir(configDir);
    const options = { env, cwd: directory.path, options: { configDir, argv: [] }, log: openLog({ level: 'silent' }) };
    const system = await startStandalone(options);
    const markers = directory.file('state/site');
    await waitFor(async () => (await readdir(markers)).length === 2);
    await system.stop();
    expect(await readdir(configDir)).toEqual([]);
    expect((await readdir(markers)).toSorted()).toEqual(['device-registry.json', 'pki-signer.json']);
    expect((await readdir(directory.file('state/pki'))).toSorted()).toEqual([
      'key-passphrase',
      'server-identity.pem',
      'token-pepper',
    ]);
  });

  it('opens the second MQTT entrance alone when the first is shut, and describes what is open', async () => {
    await using directory = temporaryDirectory('sp-');
    const [http = 0, mqtt = 0, pki = 0, crl = 0, external = 0] = await freePorts(5);
    const env = {
      TEDGE_HTTP_BIND_PORT: String(http),
      TEDGE_MQTT_BIND_ENABLED: 'false',
      TEDGE_MQTT_BIND_PORT: String(mqtt),
      TEDGE_MQTT_EXTERNAL_BIND_PORT: String(external),
      TEDGE_MQTT_EXTERNAL_BIND_INTERFACE: 'lo',
      TEDGE_PKI_BIND_PORT: String(pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(crl),
      ...otherPorts,
    };
    const options = { configDir: directory.path, argv: [] };
    const system = await startStandalone({ env, cwd: directory.path, options, log: openLog({ level: 'silent' }) });
    try {
      const { entrances } = await system.describe();
      expect(entrances.filter(({ group }) => group.startsWith('mqtt'))).toMatchObject([
        { group: 'mqtt.external', host: '127.0.0.1', port: external, level: 'plain', isOpen: true },
      ]);
      const publish = (port: number) =>
        runProgram('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(port), '-q', '1', '-t', 'a', '-m', 'x']);
      expect((await publish(external)).exitCode).toBe(0);
      expect((await publish(mqtt)).stderr).toContain('Connection refused');
    } finally {
      await system.stop();
    }
  });
});
