import { fileURLToPath } from 'node:url';
import { freePort, mustRun, runProgram, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Unit } from './cluster/unit.js';
import { System } from './system.js';

const bundleOf = (app: string) => fileURLToPath(new URL(`../../apps/${app}/dist/bundle/main.js`, import.meta.url));

/** The whole product in one process, connected to a tenant. */
describe('messages between the whole system and Cumulocity', () => {
  let cloud: FakeCloud;
  let system: System;

  beforeEach(async () => {
    cloud = await fakeCloud({ devices: ['gateway01'] });
    const { chainPath, keyPath } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
    system = await System.start({
      'c8y.mqtt': `localhost:${cloud.mqtt.port}`,
      'c8y.http': `localhost:${cloud.api.port}`,
      'c8y.root_cert_path': cloud.caPath,
      'device.cert_path': chainPath,
      'device.key_path': keyPath,
      'cloud.connections': 'c8y',
      'mqtt.bridge.reconnect_policy.initial_interval': '200ms',
    });
    await untilUp();
  });

  afterEach(async () => {
    await system.stop();
    await cloud?.[Symbol.asyncDispose]();
  });

  async function untilUp(): Promise<void> {
    await waitFor(async () => /^c8y +up /m.test((await system.sallyport('status')).stdout), { deadlineMs: 30_000 });
  }

  function publish(topic: string, text: string) {
    const words = ['-h', '127.0.0.1', '-p', String(system.ports.mqtt), '-q', '1', '-t', topic, '-m', text];
    return runProgram('mosquitto_pub', words);
  }

  it('go both ways', async () => {
    expect((await publish('c8y/s/us', '200,c8y_Temperature,T,25')).exitCode).toBe(0);
    await waitFor(() => cloud.mqtt.received('s/us').includes('200,c8y_Temperature,T,25'));
    const words = ['-h', '127.0.0.1', '-p', String(system.ports.mqtt), '-t', 'c8y/s/ds', '-C', '1', '-W', '20'];
    const listening = runProgram('mosquitto_sub', words);
    const send = setInterval(() => cloud.mqtt.send('s/ds', '510,gateway01'), 200);
    const heard = await listening;
    clearInterval(send);
    expect(heard.stdout).toBe('510,gateway01\n');
  });

  it('are not lost when the system is killed while the cloud is away', async () => {
    await cloud.mqtt.link.refuse();
    const texts = Array.from({ length: 20 }, (_, index) => `200,c8y_Count,N,${index}`);
    for (const text of texts) expect((await publish('c8y/s/us', text)).exitCode).toBe(0);
    await system.kill();
    await system.resume();
    await cloud.mqtt.link.heal();
    await waitFor(() => texts.every((text) => cloud.mqtt.received('s/us').includes(text)), { deadlineMs: 30_000 });
    const first = cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,'));
    expect([...new Set(first)]).toEqual(texts);
  });
});

/** Broker and bridge alone, each in a process of its own; the embedded broker serves the bridge on a Unix socket. */
describe('a bridge in a process of its own', () => {
  it('passes what was published while it was killed, and is the only one that does', async () => {
    await using opened = new AsyncDisposableStack();
    const cloud = opened.use(await fakeCloud({ devices: ['gateway01'] }));
    const { chainPath, keyPath } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
    const directory = opened.use(temporaryDirectory('sp-'));
    const mqttPort = await freePort();
    const env = {
      ...process.env,
      TEDGE_CONFIG_DIR: directory.path,
      TEDGE_RUN_PATH: directory.file('run'),
      TEDGE_MQTT_BIND_PORT: String(mqttPort),
      TEDGE_MQTT_BROKER_SOCKET: directory.file('broker.sock'),
      TEDGE_C8Y_MQTT: `localhost:${cloud.mqtt.port}`,
      TEDGE_C8Y_HTTP: `localhost:${cloud.api.port}`,
      TEDGE_C8Y_ROOT_CERT_PATH: cloud.caPath,
      TEDGE_DEVICE_CERT_PATH: chainPath,
      TEDGE_DEVICE_KEY_PATH: keyPath,
      TEDGE_CLOUD_CONNECTIONS: 'c8y',
    };
    const start = (app: string, own: NodeJS.ProcessEnv = {}) => {
      const unit = new Unit([process.execPath, '--disable-warning=DEP0169', bundleOf(app)], { ...env, ...own });
      opened.defer(async () => void (await unit.end('SIGKILL')));
      unit.start();
      return unit;
    };
    const publish = (text: string) =>
      mustRun('mosquitto_pub', ['-p', String(mqttPort), '-q', '1', '-t', 'c8y/s/us', '-m', text]);
    const arrived = () => cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,'));

    start('mqtt-broker');
    const first = start('mqtt-bridge');
    await waitFor(() => first.log.includes('the bridge to the cloud is up'), { deadlineMs: 60_000 });
    const second = start('mqtt-bridge', { TEDGE_RUN_PATH: directory.file('run-2') });
    await waitFor(() => second.log.includes('service started'), { deadlineMs: 60_000 });
    await publish('200,c8y_Count,N,1');
    await waitFor(() => arrived().length === 1);
    await first.end('SIGKILL');
    await publish('200,c8y_Count,N,2');
    await waitFor(() => arrived().includes('200,c8y_Count,N,2'), { deadlineMs: 60_000 });
    expect(arrived()).toEqual(['200,c8y_Count,N,1', '200,c8y_Count,N,2']);
    expect(first.log).not.toContain('the bridge to the cloud is down');
  });
});
