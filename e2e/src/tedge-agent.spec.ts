import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, spawnMosquitto, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Device } from './device.js';
import { Subscriber } from './mosquitto.js';
import { cliBundle, System, succeeded } from './system.js';
import { TedgeAgent } from './tedge-agent.js';

const topic = 'te/device/child01///cmd/config_snapshot/c8y-mapper-1';

/** What the system runs on beside its own broker, if anything. */
type Start = (opened: AsyncDisposableStack) => Promise<System>;

const withEmbeddedBroker: Start = () => System.start();

/** Mosquitto behind the door, with the access rules that the program makes. */
const withMosquitto: Start = async (opened) => {
  const directory = temporaryDirectory('sp-');
  opened.defer(() => directory.remove());
  const rules = ['mqtt', 'broker-config', '--level', 'mutual', '--output', directory.file('mosquitto')];
  await mustRun(process.execPath, ['--disable-warning=DEP0169', cliBundle, '--config-dir', directory.path, ...rules]);
  const config = [
    `acl_file ${directory.file('mosquitto', 'sallyport.acl')}`,
    `listener 0 ${directory.file('broker.sock')}`,
  ];
  const mosquitto = await spawnMosquitto({ config });
  opened.defer(() => mosquitto.stop());
  return System.start({ 'mqtt.broker.url': `unix:${directory.file('broker.sock')}` });
};

describe.each([
  ['the embedded broker', withEmbeddedBroker],
  ['Mosquitto behind the door', withMosquitto],
])('a child device with thin-edge.io, at level mutual, on %s', (_broker, start) => {
  let opened: AsyncDisposableStack;
  let system: System;
  let child: Device;
  let other: Device;
  let agent: TedgeAgent;

  beforeAll(async () => {
    opened = new AsyncDisposableStack();
    system = await start(opened);
    child = await system.enrol('child01');
    other = await system.enrol('child02');
    succeeded(await system.sallyport('secure', 'mutual'));
    await mkdir(join(system.directory, 'etc'));
    await writeFile(configurationPath(), 'answer = 42\n');
    agent = await TedgeAgent.start({ system, device: child, configurationPath: configurationPath() });
  });

  afterAll(async () => {
    await agent?.cut();
    await system?.stop();
    await opened.disposeAsync();
  });

  const configurationPath = () => join(system.directory, 'etc/app.conf');
  const at = () => ['-h', 'localhost', '-p', String(system.ports.mqtt)];

  /** What the processes of thin-edge.io on the main device use: the certificate that `secure` made for them. */
  function gateway() {
    const folder = join(system.configDirectory, 'client-certs');
    const files = ['ca.pem', 'certificate.pem', 'private-key.pem'].map((name) => join(folder, name));
    const [ca = '', cert = '', key = ''] = files;
    return {
      curl: ['--silent', '--show-error', '--cacert', ca, '--cert', cert, '--key', key],
      mosquitto: [...at(), '--cafile', ca, '--cert', cert, '--key', key],
    };
  }

  const entity = async (path: string): Promise<string> => {
    const url = `https://localhost:${system.ports.http}/te/v1/entities${path}`;
    return succeeded(await system.run('curl', [...gateway().curl, url]));
  };

  const command = (status: string) =>
    `{"status":"${status}","tedgeUrl":"https://localhost:${system.ports.http}/te/v1/files/child01/config_snapshot/app.conf-c8y-mapper-1","type":"app.conf"}`;

  const publish = async (client: readonly string[], to: string, message: string) =>
    system.run('mosquitto_pub', [...client, '-q', '1', '-r', '-t', to, ...(message === '' ? ['-n'] : ['-m', message])]);

  it('registers, and appears in the list of entities with its agent', async () => {
    await waitFor(async () => (await entity('')).includes('"device/child01/service/tedge-agent"'));
    expect(await entity('?root=device/child01//')).toBe(
      '[{"@topic-id":"device/child01//","@parent":"device/main//","@type":"child-device"},' +
        '{"@topic-id":"device/child01/service/tedge-agent","@parent":"device/child01//","@type":"service"}]',
    );
    expect(await entity('/device/child01///twin/agent')).toBe('{"name":"thin-edge.io","version":"2.0.1"}');
    await waitFor(async () => (await entity('/device/child01/service/tedge-agent/config')) !== '{}');
    expect(await entity('/device/child01/service/tedge-agent/config/mqtt.topic_root')).toBe('"te"');
  });

  it('takes a config_snapshot, hands over its file, and finishes the command', async () => {
    await using watcher = await Subscriber.open([...gateway().mosquitto, '-v', '-q', '1', '-t', topic]);
    succeeded(await publish(gateway().mosquitto, topic, command('init')));
    await watcher.said(/"status":"successful"/);
    expect(watcher.messages.map((message) => /"status":"(\w+)"/.exec(message)?.[1])).toEqual([
      'init',
      'executing',
      'successful',
    ]);
    const url = `https://localhost:${system.ports.http}/te/v1/files/child01/config_snapshot/app.conf-c8y-mapper-1`;
    expect(succeeded(await system.run('curl', [...gateway().curl, url]))).toBe('answer = 42\n');
    // The mapper clears the command.
    succeeded(await publish(gateway().mosquitto, topic, ''));
  });

  it('is shown as down when it loses its power, and takes what came meanwhile when it is back', async () => {
    const health = 'te/device/child01/service/tedge-agent/status/health';
    await using watcher = await Subscriber.open([...gateway().mosquitto, '-v', '-q', '1', '-t', health, '-t', topic]);
    await watcher.said(/"status":"up"/);
    await agent.cut();
    await watcher.said(/\{"pid":41234,"status":"down"\}/);
    succeeded(await publish(gateway().mosquitto, topic, command('init')));
    agent = await TedgeAgent.start({ system, device: child, configurationPath: configurationPath() });
    expect(agent.isSessionPresent).toBe(true);
    await watcher.said(/"status":"successful"/);
    succeeded(await publish(gateway().mosquitto, topic, ''));
  });

  it('is not spoken for by another child, which gets none of its messages', async () => {
    const asOther = [...at(), ...other.mosquitto];
    // The broker keeps many messages of the child, so one that may read them would get some at once.
    const spied = await system.run('mosquitto_sub', [...asOther, '-v', '-W', '3', '-t', 'te/device/child01/#']);
    expect(spied.stdout).toBe('');
    await publish(asOther, 'te/device/child01///twin/agent', '"stolen"');
    await publish(asOther, 'te/device/child01//', '');
    await publish(asOther, 'te/device/child03///m/temp', '{"t":1}');
    succeeded(await publish(asOther, 'te/device/child02///twin/mark', '1'));
    await waitFor(async () => (await entity('')).includes('"device/child02//"'));
    await waitFor(async () => (await entity('/device/child02///twin')).includes('"mark"'));
    expect(await entity('/device/child01///twin/agent')).toBe('{"name":"thin-edge.io","version":"2.0.1"}');
    expect(await entity('?type=child-device')).not.toContain('child03');
  });

  it('shows the services of the gateway beside it, and their health', async () => {
    const names = [
      'agent',
      'c8y-proxy',
      'coap-gateway',
      'connector',
      'device-registry',
      'mqtt-bridge',
      'mqtt-broker',
      'pki-signer',
    ];
    for (const name of names)
      await waitFor(async () => (await entity('')).includes(`"device/main/service/sallyport-${name}"`));
    const filter = 'te/device/main/service/+/status/health';
    await using watcher = await Subscriber.open([...gateway().mosquitto, '-v', '-q', '1', '-t', filter]);
    for (const name of names) await watcher.said(new RegExp(`sallyport-${name}/status/health .*"status":"up"`));
    succeeded(
      await system.run('mosquitto_pub', [
        ...gateway().mosquitto,
        '-t',
        'te/device/main///cmd/health/check',
        '-m',
        '{}',
      ]),
    );
    await waitFor(() => watcher.messages.length === 2 * names.length);
  });

  it('is removed with all that the broker keeps of it, and stays so over a restart', async () => {
    await agent.cut();
    const url = `https://localhost:${system.ports.http}/te/v1/entities/device/child01//`;
    succeeded(await system.run('curl', [...gateway().curl, '-X', 'DELETE', '--fail', url]));
    await system.kill();
    await system.resume();
    const kept = async () => {
      const args = ['-W', '2', '--retained-only', '-v', '-t', 'te/device/child01/#'];
      return (await system.run('mosquitto_sub', [...gateway().mosquitto, ...args])).stdout;
    };
    await waitFor(async () => (await kept()) === '');
    expect(await entity('')).not.toContain('child01');
  });
});
