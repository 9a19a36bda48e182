import { writeFile } from 'node:fs/promises';
import { configKeys, loadSettings, parseToml } from '@sallyport/config';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { cloudVariables, mapperVariables } from './setting-variables.js';

const facts = { authMethod: 'certificate', deviceId: 'gw-1' } as const;

async function settingsOf(text: string, profile?: string) {
  await using directory = temporaryDirectory();
  await writeFile(directory.file('tedge.toml'), text);
  const { settings } = await loadSettings({ configDir: directory.path, env: {}, cwd: '/' });
  return settings.ofProfile(profile);
}

describe('the variables of bridge rules', () => {
  it('are settings: of the whole device, and of the cloud whose rules they are in', async () => {
    const settings = await settingsOf('[c8y]\nurl = "t.example"\n[c8y.bridge]\ntopic_prefix = "cloud"\n');
    const variables = cloudVariables(settings, 'c8y', facts);
    expect(variables.tedge('c8y.url')).toEqual({ value: 't.example' });
    expect(variables.mapper('bridge.topic_prefix')).toEqual({ value: 'cloud' });
    expect(variables.mapper('mapper.mqtt.max_payload_size')).toEqual({ value: '16184' });
    expect(variables.mapper('smartrest.templates')).toEqual({ value: [] });
    expect(variables.mapper('mqtt_service.enabled')).toEqual({ value: false });
  });

  it('are those of the profile, where the rules are those of a profile', async () => {
    const settings = await settingsOf('[c8y.profiles.two.bridge]\ntopic_prefix = "c8y-two"\n', 'two');
    expect(cloudVariables(settings, 'c8y', facts).mapper('bridge.topic_prefix')).toEqual({ value: 'c8y-two' });
  });

  it('have the id the device has in the cloud, also if it comes from the certificate', async () => {
    const settings = await settingsOf('');
    expect(cloudVariables(settings, 'az', facts).mapper('device.id')).toEqual({ value: 'gw-1' });
    expect(mapperVariables(settings, {}, facts).mapper('device.id')).toEqual({ value: 'gw-1' });
  });

  it('never are paths, keys, PINs, passwords or addresses to listen on', async () => {
    const settings = await settingsOf('');
    const { tedge } = cloudVariables(settings, 'c8y', facts);
    const secret = configKeys.filter((key) =>
      /path|_file$|key|pin$|password|username|bind\.|\.dir|socket|token|proxy\.address/.test(key),
    );
    expect(secret.length).toBeGreaterThan(40);
    for (const key of secret) expect(tedge(key).fault, key).toContain('cannot be used');
  });

  it('say how to set a setting that has no value, and that there is no such setting', async () => {
    const { tedge } = cloudVariables(await settingsOf(''), 'c8y', facts);
    expect(tedge('c8y.url').fault).toBe(`\${tedge.c8y.url} has no value. Set it: sallyport config set c8y.url VALUE`);
    expect(tedge('c8y.uri').fault).toContain('names no setting');
    expect(tedge('__proto__').fault).toContain('names no setting');
  });

  it('are what a mapper of the site has in its mapper.toml, own keys too', async () => {
    const table = parseToml(
      'url = "h:1883"\n[bridge]\ntopic_prefix = "v1"\nsites = ["a", "b"]\nport = 7\n',
      'mapper.toml',
    );
    const { mapper } = mapperVariables(await settingsOf(''), table, facts);
    expect(mapper('url')).toEqual({ value: 'h:1883' });
    expect(mapper('bridge.topic_prefix')).toEqual({ value: 'v1' });
    expect(mapper('bridge.sites')).toEqual({ value: ['a', 'b'] });
    expect(mapper('bridge.port')).toEqual({ value: '7' });
    expect(mapper('bridge').fault).toContain('is no text');
    expect(mapper('bridge.none').fault).toContain('has no value. Write bridge.none in mapper.toml.');
    expect(mapper('constructor').fault).toContain('has no value');
  });

  it.each(['credentials_path', 'device.key_path', 'device.key_pin', 'bridge.api_token', 'password', 'my.Secret'])(
    'never are what a mapper.toml keeps in %s',
    async (key) => {
      const table = parseToml(`${key} = "s3cret"\n`, 'mapper.toml');
      const { fault } = mapperVariables(await settingsOf(''), table, facts).mapper(key);
      expect(fault).toContain('cannot be used');
      expect(fault).not.toContain('s3cret');
    },
  );
});
