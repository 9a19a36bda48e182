import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadSettings, type Settings } from '@sallyport/config';
import { type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planBridge } from './plan-bridge.js';

let directory: TemporaryDirectory;

beforeEach(() => {
  directory = temporaryDirectory('sp-');
});
afterEach(() => directory.remove());

async function settingsOf(settings: Readonly<Record<string, string>> = {}): Promise<Settings> {
  const name = (key: string) => `TEDGE_${key.toUpperCase().replaceAll('.', '_')}`;
  const env = Object.fromEntries(Object.entries(settings).map(([key, value]) => [name(key), value]));
  return (await loadSettings({ configDir: directory.path, env, cwd: directory.path })).settings;
}

async function write(name: string, text: string): Promise<void> {
  await mkdir(dirname(directory.file(name)), { recursive: true });
  await writeFile(directory.file(name), text);
}

describe('what a bridge says to the local broker', () => {
  it('is its name, that its session is to be kept, and a retained last will: down', async () => {
    const { plan } = await planBridge(await settingsOf({ 'c8y.url': 'tenant.example', 'device.id': 'gw1' }), 'c8y');
    expect(plan.local).toEqual({
      version: 5,
      clientId: 'tedge-mapper-bridge-c8y',
      isClean: false,
      keepAliveSeconds: 60,
      will: {
        topic: 'te/device/main/service/tedge-mapper-bridge-c8y/status/health',
        payload: '{"status":"down"}',
        retain: true,
      },
    });
  });

  it('follows the topic prefix of a profile, and the topic root of the site', async () => {
    await write('tedge.toml', '[c8y.profiles.plant2]\nurl = "other.example"\nbridge.topic_prefix = "c8y-plant2"\n');
    const settings = await settingsOf({ 'device.id': 'gw1', 'mqtt.topic_root': 'site' });
    const { plan } = await planBridge(settings, 'c8y@plant2');
    expect(plan.local.clientId).toBe('tedge-mapper-bridge-c8y-plant2');
    expect(plan.local.will?.topic).toBe('site/device/main/service/tedge-mapper-bridge-c8y-plant2/status/health');
    expect(plan.rules.rules.map(({ localFilter }) => localFilter)).toContain('c8y-plant2/s/us/#');
  });
});

describe('what a bridge says to the cloud', () => {
  it('is for Cumulocity a clean session of MQTT 3.1.1, and its own state as a service of the device', async () => {
    const settings = await settingsOf({
      'c8y.url': 'tenant.example',
      'device.id': 'gw1',
      'mqtt.bridge.cloud_version': '5',
      'c8y.bridge.keepalive_interval': '2m',
    });
    const xid = 'gw1:device:main:service:tedge-mapper-bridge-c8y';
    expect((await planBridge(settings, 'c8y')).plan.remote).toEqual({
      version: 4,
      clientId: 'gw1',
      isClean: true,
      keepAliveSeconds: 120,
      will: { topic: 's/us', payload: `102,${xid},service,tedge-mapper-bridge-c8y,down`, retain: false },
      greeting: { topic: 's/us', payload: `102,${xid},service,tedge-mapper-bridge-c8y,up`, retain: false },
    });
  });

  it('is quoted where the id of the device holds a comma', async () => {
    const settings = await settingsOf({ 'c8y.url': 'tenant.example', 'device.id': 'gw1,b' });
    expect((await planBridge(settings, 'c8y')).plan.remote.will?.payload).toBe(
      '102,"gw1,b:device:main:service:tedge-mapper-bridge-c8y",service,tedge-mapper-bridge-c8y,down',
    );
  });

  it.each(['az', 'aws'])('is for %s a session that is kept, and nothing about itself', async (cloud) => {
    const settings = await settingsOf({ [`${cloud}.url`]: 'cloud.example', 'device.id': 'gw1' });
    expect((await planBridge(settings, cloud)).plan.remote).toEqual({
      version: 4,
      clientId: 'gw1',
      isClean: false,
      keepAliveSeconds: 60,
    });
  });

  it('is for a user-defined mapper what its mapper.toml says', async () => {
    await using ca = await TestCa.create();
    const { chainPath, keyPath } = await ca.issue({ commonName: 'plant-gateway' });
    await write(
      'mappers/plant/mapper.toml',
      `url = "broker.example:8884"
device.cert_path = "${chainPath}"
device.key_path = "${keyPath}"
bridge.clean_session = true
bridge.max_payload_size = 5000
`,
    );
    await write(
      'mappers/plant/bridge/all.toml',
      `local_prefix = "plant/"\nremote_prefix = ""\n[[rule]]\ntopic = "#"\ndirection = "outbound"\n`,
    );
    const { plan } = await planBridge(await settingsOf(), 'plant');
    expect(plan.remote).toMatchObject({ version: 4, clientId: 'plant-gateway', isClean: true });
    expect(plan.cloud).toMatchObject({ maxPayloadBytes: 5000, mqtt: { host: 'broker.example', port: 8884 } });
    expect(plan.rules.rules.map(({ name }) => name)).toEqual(['outbound plant/#']);
  });
});

describe('the limits of a bridge', () => {
  it('come from the settings; a pause of 0 becomes a tenth of a second', async () => {
    const settings = await settingsOf({
      'c8y.url': 'tenant.example',
      'device.id': 'gw1',
      'mqtt.bridge.reconnect_policy.initial_interval': '0',
      'mqtt.bridge.reconnect_policy.maximum_interval': '1m',
      'mqtt.bridge.window': '200',
      'mqtt.bridge.cloud_sessions': '4',
    });
    expect((await planBridge(settings, 'c8y')).plan.limits).toEqual({
      backOff: { firstMs: 100, longestMs: 60_000 },
      resetWindowMs: 300_000,
      drainMs: 3_000,
      windowMessages: 200,
      oldestUnacknowledgedMs: 30_000,
    });
  });
});

describe('a plan', () => {
  it('can be sent to another thread', async () => {
    const { plan } = await planBridge(await settingsOf({ 'c8y.url': 'tenant.example', 'device.id': 'gw1' }), 'c8y');
    expect(structuredClone(plan)).toEqual(plan);
  });
});
