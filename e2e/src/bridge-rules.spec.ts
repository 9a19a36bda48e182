import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

const siteRule = (topic: string) =>
  `local_prefix = "plant/"\nremote_prefix = "s/us/"\n[[rule]]\ntopic = "${topic}"\ndirection = "outbound"\n`;

describe('the rules of a site, in the whole system', () => {
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
    await waitFor(async () => /^c8y +up /m.test(await sallyport('status')), { deadlineMs: 30_000 });
  });

  afterEach(async () => {
    await system.stop();
    await cloud?.[Symbol.asyncDispose]();
  });

  async function sallyport(...words: string[]): Promise<string> {
    return (await system.sallyport(...words)).stdout;
  }

  function rulePath(name: string): string {
    return join(system.configDirectory, 'mappers/c8y/bridge', name);
  }

  function publish(topic: string, text: string) {
    const words = ['-h', '127.0.0.1', '-p', String(system.ports.mqtt), '-q', '1', '-t', topic, '-m', text];
    return runProgram('mosquitto_pub', words);
  }

  it('are shown, reloaded and in force without a new connection', async () => {
    expect(await sallyport('bridge', 'inspect', 'c8y')).toContain('The running bridge has these rules.\n');
    expect((await system.sallyport('bridge', 'test', 'c8y', 'plant/speed')).code).toBe(2);

    await writeFile(rulePath('site.toml'), siteRule('speed'));
    expect(await sallyport('bridge', 'inspect', 'c8y')).toContain('  + plant/speed  ->  s/us/speed\n');
    const greetings = cloud.mqtt.received('s/us').length;
    expect(succeeded(await system.sallyport('bridge', 'reload'))).toBe(
      'c8y: other rules, on the same connection\n  + plant/speed  ->  s/us/speed\n',
    );
    expect(await sallyport('bridge', 'inspect', 'c8y')).toContain('The running bridge has these rules.\n');

    expect((await publish('plant/speed', '200,speed,S,7')).exitCode).toBe(0);
    await waitFor(() => cloud.mqtt.received('s/us/speed').includes('200,speed,S,7'));
    // Each connection says that the service is up.
    expect(cloud.mqtt.received('s/us').length).toBe(greetings);
  });

  it('that are not valid are refused with file and line, and the bridge goes on with those it has', async () => {
    await writeFile(rulePath('site.toml'), siteRule('#/speed'));
    const { code, stderr } = await system.sallyport('bridge', 'reload');
    expect(code).toBe(1);
    expect(stderr).toContain('site.toml, line 4: topic "#/speed" is not a topic filter');
    expect((await publish('c8y/s/us', '200,still,S,1')).exitCode).toBe(0);
    await waitFor(() => cloud.mqtt.received('s/us').includes('200,still,S,1'));
  });

  it('survive a new start of the system, as does what somebody edited in the built-in ones', async () => {
    const [template, path] = [rulePath('mqtt-core.toml.template'), rulePath('mqtt-core.toml')];
    expect(await readFile(path, 'utf8')).toBe(await readFile(template, 'utf8'));
    const edited = `${await readFile(path, 'utf8')}\n[[rule]]\ntopic = "site/#"\ndirection = "outbound"\n`;
    await writeFile(path, edited);
    await system.kill();
    await system.resume();
    await waitFor(async () => /^c8y +up /m.test(await sallyport('status')), { deadlineMs: 30_000 });
    expect(await readFile(path, 'utf8')).toBe(edited);
    expect(await sallyport('bridge', 'inspect', 'c8y')).toMatch(
      / {2}c8y\/site\/# +-> {2}site\/#\n[\s\S]*The running bridge has these rules\.\n/,
    );
  });
});
