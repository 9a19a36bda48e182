import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { ConfigFile } from './config-file.js';
import { loadSettings } from './load-settings.js';

const directoryWith = configDirectories(onTestFinished);

/** A configuration directory with these files, and what is read from it. */
async function site(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const directory = await directoryWith();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  const load = () => loadSettings({ configDir: directory, env, cwd: '/' });
  const read = (name: string) => readFile(join(directory, name), 'utf8').catch(() => undefined);
  return { directory, load, read, file: new ConfigFile({ directory, env, cwd: '/' }) };
}

const url = { key: 'c8y.url' } as const;
const profiled = { key: 'c8y.url', profile: 'plant2' } as const;
const mapper = 'mappers/c8y/mapper.toml';

describe('the settings of a cloud in its mapper.toml', () => {
  it('are read, without the name of the cloud before each key', async () => {
    const { load } = await site({
      [mapper]: 'cloud_type = "c8y"\nurl = "t.example"\nbridge.topic_prefix = "cloud"\n[proxy.bind]\nport = 8005\n',
    });
    const { settings, warnings } = await load();
    expect(settings.get('c8y.url')).toBe('t.example');
    expect(settings.get('c8y.bridge.topic_prefix')).toBe('cloud');
    expect(settings.get('c8y.proxy.bind.port')).toBe(8005);
    expect(settings.source('c8y.url')).toBe('file');
    expect(warnings).toEqual([]);
  });

  it('have a file for each profile', async () => {
    const { load } = await site({
      [mapper]: 'url = "t.example"\n',
      'mappers/c8y.plant2/mapper.toml': 'url = "two.example"\n',
      'mappers/az/mapper.toml': 'url = "az.example"\n',
      'mappers/aws.empty/mapper.toml': 'cloud_type = "aws"\n',
    });
    const { settings } = await load();
    expect([settings.get('c8y.url'), settings.ofProfile('plant2').get('c8y.url')]).toEqual([
      't.example',
      'two.example',
    ]);
    expect(settings.get('az.url')).toBe('az.example');
    expect([settings.profilesOf('c8y'), settings.profilesOf('aws')]).toEqual([['plant2'], ['empty']]);
  });

  it('have priority over tedge.toml, which does not count for this cloud, with a warning', async () => {
    const { load } = await site({
      'tedge.toml':
        '[c8y]\nurl = "old.example"\nroot_cert_path = "/old"\n[c8y.profiles.plant2]\nurl = "old2.example"\n[az]\nurl = "az.example"\n',
      [mapper]: 'url = "t.example"\n',
    });
    const { settings, warnings } = await load();
    expect(settings.get('c8y.url')).toBe('t.example');
    expect(settings.get('c8y.root_cert_path')).toBe('/etc/ssl/certs');
    expect(settings.profilesOf('c8y')).toEqual([]);
    expect(settings.get('az.url')).toBe('az.example');
    expect(warnings).toEqual([
      'tedge.toml: [c8y] is ignored, because the settings of this cloud are in mappers/c8y*/mapper.toml. Take [c8y] out of tedge.toml.',
    ]);
  });

  it('know no profile without a file, also if tedge.toml has it', async () => {
    const { file } = await site({
      'tedge.toml': '[c8y.profiles.plant2]\nurl = "old.example"\n',
      [mapper]: 'url = "t.example"\n',
    });
    await expect(file.get(profiled)).rejects.toThrow('There is no profile "plant2"');
  });

  it('are overridden by the environment', async () => {
    const env = { TEDGE_C8Y_URL: 'env.example', TEDGE_C8Y_PROFILES_PLANT2_URL: 'env2.example' };
    const { load } = await site(
      { [mapper]: 'url = "t.example"\n', 'mappers/c8y.plant2/mapper.toml': 'url = "two.example"\n' },
      env,
    );
    const { settings } = await load();
    expect([settings.get('c8y.url'), settings.ofProfile('plant2').get('c8y.url')]).toEqual([
      'env.example',
      'env2.example',
    ]);
  });

  it('are checked like all others, and a fault names their file', async () => {
    const { load } = await site({ [mapper]: 'url = "https://t.example"\n' });
    await expect(load()).rejects.toThrow(/c8y\.url \(mappers\/c8y\/mapper\.toml\) is "https:\/\/t\.example"/);
  });

  it('may hold what no setting is, which is a warning', async () => {
    const { load } = await site({ [mapper]: 'colour = "red"\ncloud_type = "az"\n[profiles.x]\nurl = "x.example"\n' });
    const { settings, warnings } = await load();
    expect(settings.profilesOf('c8y')).toEqual([]);
    expect(warnings).toContain('mappers/c8y/mapper.toml: c8y.colour is no setting and is ignored.');
    expect(warnings).toContain(
      'mappers/c8y/mapper.toml: cloud_type is "az", but the folder is that of c8y, which counts.',
    );
  });

  it.each([
    'mappers/plant/mapper.toml',
    'mappers/c8y.Plant/mapper.toml',
    'mappers/c8y.a.b/mapper.toml',
    'mappers/c8y/bridge/x',
  ])('are not looked for in %s', async (name) => {
    const { load } = await site({ 'tedge.toml': '[c8y]\nurl = "t.example"\n', [name]: 'url = "other.example"\n' });
    const { settings, warnings } = await load();
    expect([settings.get('c8y.url'), warnings]).toEqual(['t.example', []]);
  });

  it.each([
    ['is not valid TOML at line 1', 'url ='],
    ['nests tables deeper', `${'a.'.repeat(40)}b = 1`],
  ])('stop the start when the file %s', async (reason, text) => {
    const { load } = await site({ [mapper]: text });
    await expect(load()).rejects.toThrow(`mappers/c8y/mapper.toml ${reason}`);
  });

  it('stop the start when a folder is in the place of the file, or a file in that of the folder', async () => {
    const folder = await site({ 'mappers/c8y/mapper.toml/x': '' });
    await expect(folder.load()).rejects.toThrow('mappers/c8y/mapper.toml is not a file.');
    const noFolder = await site({ mappers: '' });
    await expect(noFolder.load()).rejects.toThrow('mappers cannot be read (ENOTDIR).');
  });

  it.skipIf(process.getuid?.() === 0)('stop the start when the folder cannot be read', async () => {
    const { directory, load } = await site({ [mapper]: '' });
    await chmod(join(directory, 'mappers'), 0o000);
    onTestFinished(() => chmod(join(directory, 'mappers'), 0o700));
    await expect(load()).rejects.toThrow('mappers cannot be read (EACCES).');
  });
});

describe('a change of a setting of a cloud', () => {
  it('goes to its mapper.toml, with comments and order kept, and leaves tedge.toml alone', async () => {
    const tedge = '# mine\n[c8y]\nurl = "old.example"\n';
    const { file, read } = await site({
      'tedge.toml': tedge,
      [mapper]: '# theirs\nurl = "t.example" # tenant\n\n[device]\nid = "a"\n',
    });
    await file.set(url, 'new.example');
    await file.set({ key: 'c8y.http' }, 'http.example');
    await file.set({ key: 'c8y.device.id' }, 'b');
    expect(await read(mapper)).toBe(
      '# theirs\nurl = "new.example" # tenant\nhttp = "http.example"\n\n[device]\nid = "b"\n',
    );
    expect(await read('tedge.toml')).toBe(tedge);
  });

  it('puts a key above the first table of a file that has none there', async () => {
    const { file, read } = await site({ [mapper]: '[device]\nid = "a"\n' });
    await file.set(url, 't.example');
    expect(await read(mapper)).toBe('url = "t.example"\n[device]\nid = "a"\n');
  });

  it('makes the file of a new profile where the cloud has a file', async () => {
    const { file, read } = await site({ [mapper]: 'url = "t.example"\n' });
    await file.set(profiled, 'two.example');
    expect(await read('mappers/c8y.plant2/mapper.toml')).toBe('cloud_type = "c8y"\nurl = "two.example"\n');
    expect((await file.get(profiled)).value).toBe('two.example');
  });

  it('stays in tedge.toml on a device that has its clouds there, also for another cloud', async () => {
    const { file, read, directory } = await site({ 'tedge.toml': '[c8y]\nurl = "t.example"\n' });
    await file.set(url, 'new.example');
    await file.set({ key: 'az.url' }, 'az.example');
    expect(await read('tedge.toml')).toBe('[c8y]\nurl = "new.example"\n\n[az]\nurl = "az.example"\n');
    expect(await readdir(directory)).toEqual(['tedge.toml']);
  });

  it('makes a mapper.toml on a device that has no cloud yet, as thin-edge.io 2 does', async () => {
    const { file, read } = await site({ 'tedge.toml': '[http.bind]\nport = 1\n' });
    await file.set(url, 't.example');
    await file.set({ key: 'http.bind.port' }, '2');
    expect(await read(mapper)).toBe('cloud_type = "c8y"\nurl = "t.example"\n');
    expect(await read('tedge.toml')).toBe('[http.bind]\nport = 2\n');
  });

  it('removes the file with its last setting, and the folder when nothing else is in it', async () => {
    const { file, read, directory } = await site({
      [mapper]: 'cloud_type = "c8y"\nurl = "t.example"\n',
      'mappers/c8y/bridge/site.toml': '',
      'mappers/c8y.plant2/mapper.toml': 'url = "two.example"\n',
    });
    await file.unset(url);
    await file.unset(profiled);
    expect(await read(mapper)).toBeUndefined();
    expect(await readdir(join(directory, 'mappers'))).toEqual(['c8y']);
  });

  it('changes several clouds together, and takes an old name of a key out', async () => {
    const { file, read } = await site({
      [mapper]: '[enable]\nlog_management = false\n',
      'mappers/az/mapper.toml': 'url = "az.example"\n',
    });
    await file.exchange([
      { reference: { key: 'c8y.enable.log_upload' }, text: 'true' },
      { reference: { key: 'az.url' }, text: 'new.example' },
    ]);
    expect(await read(mapper)).toBe('[enable]\nlog_upload = true\n');
    expect(await read('mappers/az/mapper.toml')).toBe('url = "new.example"\n');
  });

  it('of a key that only Sallyport knows goes to sallyport.toml, as always', async () => {
    const { file, read } = await site({ [mapper]: 'url = "t.example"\n' });
    await file.set({ key: 'cloud.connections' }, 'c8y');
    expect(await read('sallyport.toml')).toBe('[cloud]\nconnections = [ "c8y" ]\n');
  });

  it('cleans up what killed processes left beside the file', async () => {
    const leftover = 'mappers/c8y/.mapper.toml.00000000-0000-4000-8000-000000000000.tmp';
    const { file, read } = await site({ [mapper]: 'url = "t.example"\n', [leftover]: 'half' });
    await file.set(url, 'new.example');
    expect(await read(leftover)).toBeUndefined();
  });
});
