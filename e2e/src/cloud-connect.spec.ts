import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, runProgram, spawnMosquitto, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Unit } from './cluster/unit.js';
import { cliBundle, System, succeeded } from './system.js';

const bridgeBundle = fileURLToPath(new URL('../../apps/mqtt-bridge/dist/bundle/main.js', import.meta.url));

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
    await cloud?.[Symbol.asyncDispose]();
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

  it('works the same at level mutual', async () => {
    succeeded(await system.sallyport('secure', 'mutual'));
    const { code, stderr } = await system.sallyport('connect', 'c8y');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('Verifying the Cumulocity proxy reaches the tenant... ✓');
    expect(succeeded(await system.sallyport('http', 'get', '/c8y/tenant/currentTenant'))).toContain('t12345');
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

describe('connecting the whole system with user name and password', () => {
  it('reads them from credentials.toml, and the proxy uses them too', async () => {
    await using opened = new AsyncDisposableStack();
    const user = { name: 't12345/device_gateway01', password: 'fake-cloud-secret' };
    const cloud = opened.use(await fakeCloud({ devices: ['gateway01'], deviceUsers: [user] }));
    const directory = opened.use(temporaryDirectory('sp-'));
    const credentials = directory.file('credentials.toml');
    await writeFile(credentials, `[c8y]\nusername = "${user.name}"\npassword = "${user.password}"\n`, { mode: 0o600 });
    const system = await System.start({
      'device.id': 'gateway01',
      'c8y.url': 'localhost',
      'c8y.mqtt': `localhost:${cloud.mqtt.port}`,
      'c8y.http': `localhost:${cloud.api.port}`,
      'c8y.root_cert_path': cloud.caPath,
      'c8y.proxy.bind.port': String(await freePort()),
      'c8y.auth_method': 'auto',
      'c8y.credentials_path': credentials,
    });
    opened.defer(async () => void (await system.stop()));
    const { code, stderr } = await system.sallyport('connect', 'c8y');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain('\tauth type: Basic');
    expect(stderr).toContain('Verifying the Cumulocity proxy reaches the tenant... ✓');
    expect(system.log + stderr).not.toContain(user.password);
  });
});

/** As on a gateway of thin-edge.io: a Mosquitto is the local broker, and the bridge runs in a process of its own. */
describe('connecting a device whose local broker is Mosquitto', () => {
  it('works with the service mqtt-bridge alone, and says what does not run', async () => {
    await using opened = new AsyncDisposableStack();
    const cloud = opened.use(await fakeCloud({ devices: ['gateway01'] }));
    const broker = await spawnMosquitto();
    opened.defer(() => broker.stop());
    const directory = opened.use(temporaryDirectory('sp-'));
    const { chainPath, keyPath } = await cloud.deviceCa.issue({ commonName: 'gateway01' });
    const env = {
      ...process.env,
      TEDGE_CONFIG_DIR: directory.path,
      TEDGE_MQTT_BIND_PORT: String(broker.port),
      TEDGE_C8Y_URL: 'localhost',
      TEDGE_C8Y_MQTT: `localhost:${cloud.mqtt.port}`,
      TEDGE_C8Y_HTTP: `localhost:${cloud.api.port}`,
      TEDGE_C8Y_ROOT_CERT_PATH: cloud.caPath,
      TEDGE_DEVICE_CERT_PATH: chainPath,
      TEDGE_DEVICE_KEY_PATH: keyPath,
    };
    const tedge = (...words: string[]) => runProgram(process.execPath, [cliBundle, ...words], { env });
    const early = await tedge('connect', 'c8y');
    expect(early).toMatchObject({ exitCode: 1 });
    expect(early.stderr).toContain('The service mqtt-bridge does not run, so the connection cannot be checked.');

    const bridge = new Unit([process.execPath, bridgeBundle], env);
    opened.defer(async () => void (await bridge.end('SIGTERM')));
    bridge.start();
    await waitFor(async () => (await tedge('connect', 'c8y')).exitCode === 0, { deadlineMs: 60_000 });
    const { exitCode, stderr } = await tedge('connect', 'c8y', '--test');
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toContain('Verifying device is connected to cloud... ✓');
    expect(stderr).toContain(
      'Verifying the Cumulocity proxy reaches the tenant... skipped: the service c8y-proxy does not run',
    );
  });
});
