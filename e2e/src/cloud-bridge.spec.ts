import { runProgram, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { System } from './system.js';

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
    await cloud[Symbol.asyncDispose]();
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
