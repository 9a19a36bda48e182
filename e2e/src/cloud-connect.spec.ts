import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, runProgram, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

/** The whole product in one process, and a tenant that it is not connected to yet. */
describe('connecting the whole system to Cumulocity', () => {
  let cloud: FakeCloud;
  let system: System;
  let proxyPort: number;
  let certPath: string;

  beforeEach(async () => {
    cloud = await fakeCloud({ devices: ['gateway01'] });
    proxyPort = await freePort();
    const { chainPem, keyPath } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
    certPath = join(keyPath, '../active.pem');
    await writeFile(certPath, chainPem);
    system = await System.start({
      'c8y.url': 'localhost',
      'c8y.mqtt': `localhost:${cloud.mqtt.port}`,
      'c8y.http': `localhost:${cloud.api.port}`,
      'c8y.root_cert_path': cloud.caPath,
      'c8y.proxy.bind.port': String(proxyPort),
      'device.cert_path': certPath,
      'device.key_path': keyPath,
      'mqtt.bridge.reconnect_policy.initial_interval': '200ms',
    });
  });

  afterEach(async () => {
    await system.stop();
    await cloud[Symbol.asyncDispose]();
  });

  async function tenantThroughProxy(): Promise<string> {
    const url = `http://localhost:${proxyPort}/c8y/tenant/currentTenant`;
    return (await runProgram('curl', ['-sS', '--max-time', '10', url])).stdout;
  }

  it('makes the device, and then bridge and proxy work', async () => {
    const { code, stderr } = await system.sallyport('connect', 'c8y');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('Verifying device is connected to cloud... ✓');
    expect(stderr).toContain('Checking Cumulocity is connected to intended tenant... ✓');
    expect(stderr).toContain('Verifying the Cumulocity proxy reaches the tenant... ✓');
    expect(cloud.mqtt.received('s/us')).toContain('100,gateway01,thin-edge.io');
    expect(await tenantThroughProxy()).toBe('{"name":"t12345","domainName":"localhost"}');
    expect((await system.sallyport('connect', 'c8y', '--test')).code).toBe(0);
  });

  it('ends again with disconnect, and comes back with reconnect', async () => {
    succeeded(await system.sallyport('connect', 'c8y'));
    succeeded(await system.sallyport('disconnect', 'c8y'));
    expect(await tenantThroughProxy()).toBe('');
    expect((await system.sallyport('connect', 'c8y', '--test')).code).toBe(1);
    succeeded(await system.sallyport('reconnect', 'c8y'));
    expect(await tenantThroughProxy()).toContain('t12345');
  });

  it('outlives a restart of the system', async () => {
    succeeded(await system.sallyport('connect', 'c8y'));
    await system.kill();
    await system.resume();
    await waitFor(async () => (await system.sallyport('connect', 'c8y', '--test')).code === 0, { deadlineMs: 60_000 });
  });

  it('puts a renewed certificate in force once the cloud has taken it', async () => {
    succeeded(await system.sallyport('connect', 'c8y'));
    await copyFile(certPath, `${certPath}.new`);
    const { code, stderr } = await system.sallyport('reconnect', 'c8y');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('Trying the renewed certificate... ✓');
    expect(await tenantThroughProxy()).toContain('t12345');
  });

  it('that does not work leaves nothing connected', async () => {
    await cloud.showCertificate('unknown CA');
    const { code, stderr } = await system.sallyport('connect', 'c8y');
    expect(code).toBe(1);
    expect(stderr).toContain('is not trusted: its issuer (CN=Another Server CA) is none of the CAs at');
    expect((await system.sallyport('config', 'get', 'cloud.connections')).stdout).toBe('[]\n');
    expect(await tenantThroughProxy()).toBe('');
  });
});
