import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, configFileOpener } from './config-directory.fixture.js';

const openFile = configFileOpener(configDirectories(onTestFinished));

describe('profiles', () => {
  const url = { key: 'c8y.url', profile: 'plant2' } as const;

  it('keep their values in a table of their own', async () => {
    const { file, text } = await openFile('[c8y]\nurl = "main.example"\n');
    await file.set(url, 'plant2.example');
    expect(await text()).toBe('[c8y]\nurl = "main.example"\n\n[c8y.profiles.plant2]\nurl = "plant2.example"\n');
    expect((await file.get(url)).value).toBe('plant2.example');
    expect((await file.get({ key: 'c8y.url' })).value).toBe('main.example');
  });

  it('have defaults of their own and inherit nothing', async () => {
    const { file } = await openFile(
      '[c8y]\nproxy.bind.port = 9\n[c8y.profiles.plant2]\nproxy.bind.port = 10\n[c8y.profiles.b]\nurl = "b"\n',
    );
    expect((await file.get({ key: 'c8y.proxy.client.port', profile: 'plant2' })).value).toBe('10');
    expect((await file.get({ key: 'c8y.proxy.bind.port', profile: 'b' })).value).toBe('8001');
  });

  it('are overridden by their own environment variables', async () => {
    const env = { TEDGE_C8Y_PROFILES_PLANT2_URL: 'env.example' };
    const { file } = await openFile('c8y.profiles.plant2.url = "file.example"\n', { env });
    expect((await file.get(url)).value).toBe('env.example');
  });

  it('have the identity of the device unless they have their own', async () => {
    const readDeviceId = async (path: string) => (path === '/c.pem' ? 'child01' : undefined);
    const toml = 'device.cert_path = "/c.pem"\n[c8y.profiles.plant2]\ndevice.key_path = "/k"\n';
    const { file } = await openFile(toml, { readDeviceId });
    const get = async (key: 'c8y.device.id' | 'c8y.device.cert_path' | 'c8y.device.key_path') =>
      (await file.get({ key, profile: 'plant2' })).value;
    expect(await get('c8y.device.id')).toBe('child01');
    expect(await get('c8y.device.cert_path')).toBe('/c.pem');
    expect(await get('c8y.device.key_path')).toBe('/k');
    await file.set({ key: 'c8y.device.id', profile: 'plant2' }, 'gateway');
    expect(await get('c8y.device.id')).toBe('gateway');
  });

  it('cannot be read when nothing is configured for them', async () => {
    const { file } = await openFile('[c8y]\nurl = "main.example"\n');
    await expect(file.get(url)).rejects.toMatchObject({
      type: 'not-found',
      message: expect.stringContaining('"plant2"'),
    });
  });

  it('are listed after the other keys', async () => {
    const { file } = await openFile('c8y.profiles.plant2.url = "x"\n');
    const { readings } = await file.list();
    expect(readings.find(({ name }) => name === 'c8y.profiles.plant2.url')?.value).toBe('x');
    expect(readings.at(-1)?.reference.profile).toBe('plant2');
  });
});
