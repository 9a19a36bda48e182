import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { loadSettings } from '@sallyport/config';
import { freePorts, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { explainFailedStart, PortsTaken } from './taken-ports.js';

const inUse = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' });
const services = ['device-registry', 'pki-signer', 'mqtt-broker', 'agent'] as const;

describe('a start that fails because ports are taken', () => {
  let home: TemporaryDirectory;
  let settings: Record<string, Record<string, unknown>>;
  let ports: { http: number; mqtt: number };
  const held: Server[] = [];

  beforeEach(async () => {
    home = temporaryDirectory();
    const [http = 0, mqtt = 0, pki = 0, crl = 0] = await freePorts(4);
    ports = { http, mqtt };
    settings = {
      http: { 'bind.port': http },
      mqtt: { 'bind.port': mqtt },
      pki: { 'bind.port': pki, 'public.bind.port': crl },
    };
  });

  afterEach(async () => {
    for (const server of held.splice(0)) server.close();
    await home.remove();
  });

  async function hold(port: number): Promise<void> {
    const server = createServer().listen(port, '127.0.0.1');
    held.push(server);
    await once(server, 'listening');
  }

  /** What the person is told; every port it suggests is written as NEW. */
  async function told(error: Error, { env = {}, only = services, argv = [] }: Given = {}): Promise<string> {
    const directory = home.file('.sallyport');
    await mkdir(directory);
    await writeFile(`${directory}/tedge.toml`, toml(settings));
    const surroundings = { env: { npm_lifecycle_event: 'start', ...env }, cwd: home.path };
    const { settings: loaded } = await loadSettings({ ...surroundings, argv, configDir: directory });
    const explained = await explainFailedStart(error, loaded, only, surroundings);
    if (!(explained instanceof PortsTaken)) return String(explained);
    return explained.message
      .replaceAll(`--config-dir ${directory} `, '')
      .replace(/( |=|:)\d+(?=;|$)/g, '$1NEW')
      .replaceAll(/\w+ \(process \d+\)/g, 'PROGRAM');
  }

  it('names all of them at once, who listens there, and the commands that choose others', async () => {
    await hold(ports.http);
    await hold(ports.mqtt);
    expect(await told(inUse)).toBe(
      `Sallyport cannot use 127.0.0.1 port ${ports.mqtt} (mqtt.bind.port), where PROGRAM listens, ` +
        `and cannot use 127.0.0.1 port ${ports.http} (http.bind.port), where PROGRAM listens. ` +
        'Stop what listens there, or choose another port: npx sallyport config set mqtt.bind.port NEW; ' +
        'npx sallyport config set http.bind.port NEW',
    );
  });

  it('moves the port of the clients too, where it says the same', async () => {
    settings = { ...settings, http: { 'bind.port': ports.http, 'client.port': ports.http } };
    await hold(ports.http);
    expect(await told(inUse)).toContain(
      'choose another port: npx sallyport config set http.bind.port NEW; npx sallyport config set http.client.port NEW',
    );
  });

  it('moves an address others are told too, where it says the same', async () => {
    settings = { ...settings, pki: { 'bind.port': ports.http, url: `https://gateway.local:${ports.http}` } };
    await hold(ports.http);
    expect(await told(inUse, { only: ['pki-signer'] })).toContain(
      'set pki.bind.port NEW; npx sallyport config set pki.url https://gateway.local:NEW',
    );
  });

  it('advises what works when the environment or a flag decides', async () => {
    await hold(ports.http);
    await hold(ports.mqtt);
    const env = { TEDGE_MQTT_BIND_PORT: String(ports.mqtt) };
    expect(await told(inUse, { env, argv: ['--http.bind.port', String(ports.http)] })).toContain(
      'choose another port: export TEDGE_MQTT_BIND_PORT=NEW; start it with --http.bind.port NEW',
    );
  });

  it('speaks of its own listeners only, where each service is a process of its own', async () => {
    await hold(ports.http);
    await hold(ports.mqtt);
    expect(await told(inUse, { only: ['agent'] })).not.toContain('mqtt.bind.port');
  });

  it('sees that two settings ask for one port', async () => {
    settings = { ...settings, http: { 'bind.port': ports.mqtt } };
    expect(await told(inUse)).toContain(
      `port ${ports.mqtt} (http.bind.port), where another program or another service of Sallyport listens`,
    );
  });

  it('says what it said when no port was to blame', async () => {
    await hold(ports.http);
    expect(await told(new Error('disk full'))).toBe('Error: disk full');
  });

  it('finds the fault below what a service made of it', async () => {
    await hold(ports.http);
    const wrapped = new Error('cannot listen', { cause: inUse });
    expect(await told(wrapped)).toContain(`port ${ports.http} (http.bind.port)`);
  });
});

interface Given {
  readonly env?: Record<string, string>;
  readonly argv?: readonly string[];
  readonly only?: readonly (typeof services)[number][];
}

function toml(tables: Record<string, Record<string, unknown>>): string {
  return Object.entries(tables)
    .map(([name, keys]) => [
      `[${name}]`,
      ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
    ])
    .map((lines) => lines.join('\n'))
    .join('\n');
}
