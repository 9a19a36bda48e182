import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, settingsLoader } from './config-directory.fixture.js';
import { loadSettings } from './load-settings.js';

const directoryWith = configDirectories(onTestFinished);
const load = settingsLoader(directoryWith);

describe('device.id', () => {
  const options = async (toml: string, commonName?: string) => ({
    configDir: await directoryWith(toml),
    env: {},
    cwd: '/',
    readDeviceId: async (path: string) => (path === '/certs/device.pem' ? commonName : undefined),
  });

  it('is the common name of the device certificate when nobody set it', async () => {
    const { settings } = await loadSettings(await options('device.cert_path = "/certs/device.pem"', 'child01'));
    expect(settings.get('device.id')).toBe('child01');
    expect(settings.source('device.id')).toBe('default');
  });

  it('is what somebody set, whatever the certificate says', async () => {
    const toml = 'device.id = "gateway"\ndevice.cert_path = "/certs/device.pem"';
    const { settings } = await loadSettings(await options(toml, 'child01'));
    expect(settings.get('device.id')).toBe('gateway');
  });

  it('stays unset with a warning when the common name is no device id', async () => {
    const { settings, warnings } = await loadSettings(await options('device.cert_path = "/certs/device.pem"', 'a/#'));
    expect(settings.get('device.id')).toBeUndefined();
    expect(warnings).toEqual(['The common name of the device certificate is no device id, so device.id stays unset.']);
  });

  it('stays unset without a certificate', async () => {
    const { settings } = await loadSettings(await options(''));
    expect(settings.get('device.id')).toBeUndefined();
  });

  it('is asked for with the command that sets it where it must be set', async () => {
    const { settings } = await loadSettings(await options(''));
    expect(() => settings.require('device.id')).toThrow(
      'The value of device.id is missing. Set it with: tedge config set device.id VALUE',
    );
    expect(settings.require('http.bind.port')).toBe(8000);
  });
});

describe('the identity at the cloud', () => {
  const names = new Map([
    ['/certs/device.pem', 'common-name'],
    ['/certs/plant2.pem', 'plant2-common-name'],
    ['/certs/odd.pem', 'a/#'],
  ]);
  const loadProfile = async (toml: string, profile?: string) =>
    loadSettings({
      configDir: await directoryWith(toml),
      env: {},
      cwd: '/',
      readDeviceId: async (path) => names.get(path),
      ...(profile === undefined ? {} : { profile }),
    });
  const ownCert = '\n[c8y.profiles.plant2.device]\ncert_path = "/certs/plant2.pem"\n';

  it.each([
    ['its own id', 'device.id = "global"\nc8y.device.id = "main"', undefined, 'main'],
    ['the id of its profile', `c8y.device.id = "main"${ownCert}id = "plant2"\n`, 'plant2', 'plant2'],
    ['device.id', 'device.id = "global"', undefined, 'global'],
    ['device.id, whatever the certificate of the profile says', `device.id = "global"${ownCert}`, 'plant2', 'global'],
    ['device.id, and nothing of another profile', `device.id = "global"${ownCert}id = "x"\n`, undefined, 'global'],
    ['the name in the certificate of the profile', ownCert, 'plant2', 'plant2-common-name'],
    ['the name in the device certificate', 'device.cert_path = "/certs/device.pem"', undefined, 'common-name'],
    [
      'the name in the device certificate when its own has none',
      'device.cert_path = "/certs/device.pem"\nc8y.device.cert_path = "/certs/odd.pem"',
      undefined,
      'common-name',
    ],
    ['nothing', '', undefined, undefined],
  ])('has %s for c8y.device.id', async (_, toml, profile, id) => {
    const { settings, warnings } = await loadProfile(toml, profile);
    expect(settings.get('c8y.device.id')).toBe(id);
    expect(warnings).toEqual([]);
  });

  it('has the files of the device unless it has its own', async () => {
    const toml = 'device.key_path = "/k"\ndevice.csr_path = "/r"\nc8y.device.csr_path = "/other"\n';
    const { settings } = await loadProfile(`${toml}${ownCert}`, 'plant2');
    expect(settings.get('c8y.device.key_path')).toBe('/k');
    expect(settings.get('c8y.device.csr_path')).toBe('/r');
    expect(settings.get('c8y.device.cert_path')).toBe('/certs/plant2.pem');
  });
});

describe('profiles', () => {
  it('are checked like everything else', async () => {
    await expect(load('[c8y.profiles.plant2]\nurl = "https://x"')).rejects.toThrow(
      'c8y.profiles.plant2.url (tedge.toml) is "https://x": must be a bare host name, without scheme, port or path.',
    );
    await expect(load(undefined, { TEDGE_C8Y_PROFILES_PLANT2_PROXY_BIND_PORT: 'x' })).rejects.toThrow(
      'c8y.profiles.plant2.proxy.bind.port (TEDGE_C8Y_PROFILES_PLANT2_PROXY_BIND_PORT) is "x": must be',
    );
  });

  it('leave the settings outside of them alone', async () => {
    const { settings, warnings } = await load('[c8y.profiles.plant2]\nurl = "x.example"');
    expect(settings.get('c8y.url')).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it('give the keys of the cloud their values when one is chosen, and leave the others', async () => {
    const toml = 'http.bind.port = 1\nc8y.url = "main.example"\n[c8y.profiles.plant2]\nurl = "plant2.example"\n';
    const { settings } = await loadSettings({
      configDir: await directoryWith(toml),
      env: { TEDGE_C8Y_PROFILES_PLANT2_PROXY_BIND_PORT: '7' },
      cwd: '/',
      profile: 'plant2',
    });
    expect(settings.get('c8y.url')).toBe('plant2.example');
    expect(settings.get('c8y.proxy.client.port')).toBe(7);
    expect(settings.source('c8y.proxy.bind.port')).toBe('env');
    expect(settings.get('http.bind.port')).toBe(1);
  });

  it('are given by flags too', async () => {
    const argv = ['--c8y.profiles.plant2.url', 'plant2.example'];
    const { settings } = await loadSettings({
      configDir: await directoryWith(),
      env: {},
      cwd: '/',
      argv,
      profile: 'plant2',
    });
    expect([settings.get('c8y.url'), settings.source('c8y.url')]).toEqual(['plant2.example', 'argument']);
    await expect(load(undefined, {}, ['--c8y.profiles.plant2.url', 'https://x'])).rejects.toThrow(
      'c8y.profiles.plant2.url (--c8y.profiles.plant2.url) is "https://x"',
    );
  });

  it('cannot be chosen before something is set for them, and the others are named', async () => {
    const configDir = await directoryWith('c8y.profiles.a.url = "a"\nc8y.profiles.b.url = "b"\n');
    await expect(loadSettings({ configDir, env: {}, cwd: '/', profile: 'c' })).rejects.toMatchObject({
      type: 'not-found',
      message:
        'There is no profile "c". There are: a, b. ' +
        'Make it by setting one of its keys: tedge config set c8y.url HOST --profile c',
    });
  });
});
