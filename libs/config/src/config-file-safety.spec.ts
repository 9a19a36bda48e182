import { chown, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, configFileOpener } from './config-directory.fixture.js';
import { ConfigFile } from './config-file.js';

const directoryWith = configDirectories(onTestFinished);
const openFile = configFileOpener(directoryWith);

const port = { key: 'http.bind.port' } as const;

describe("a file that is somebody else's", () => {
  it('still is when another user has changed it', async () => {
    const { directory, file } = await openFile('# mine\n');
    const path = join(directory, 'tedge.toml');
    // Only root may give a file away; for others it stays theirs.
    if (process.getuid?.() === 0) await chown(path, 12_345, 12_346);
    const before = await stat(path);
    await file.set(port, '1');
    const after = await stat(path);
    expect({ uid: after.uid, gid: after.gid }).toEqual({ uid: before.uid, gid: before.gid });
  });

  it('is made where a symbolic link points that leads nowhere yet', async () => {
    const elsewhere = await directoryWith();
    const { directory, file } = await openFile();
    await symlink(join(elsewhere, 'settings.toml'), join(directory, 'tedge.toml'));
    await file.set(port, '1');
    expect(await readFile(join(elsewhere, 'settings.toml'), 'utf8')).toBe('[http.bind]\nport = 1\n');
    expect(await readlink(join(directory, 'tedge.toml'))).toBe(join(elsewhere, 'settings.toml'));
  });
});

describe('a file that cannot be changed safely', () => {
  it('is left alone when the key has no room in it', async () => {
    const { file, text } = await openFile('http = 5\n');
    await expect(file.set(port, '1')).rejects.toThrow('tedge.toml has no room for http.bind.port');
    expect(await text()).toBe('http = 5\n');
  });

  it('is left alone while somebody else keeps the lock', async () => {
    const { file, directory, text } = await openFile('# mine\n', { lockWaitMs: 30 });
    await writeFile(join(directory, 'tedge.toml.lock'), 'not by us');
    await expect(file.set(port, '1')).rejects.toMatchObject({
      type: 'unavailable',
      message:
        'Somebody has kept the configuration locked. Try again; if nothing is changing the configuration, ' +
        'remove tedge.toml.lock from its directory.',
    });
    expect(await text()).toBe('# mine\n');
    expect(await readdir(directory)).toEqual(['tedge.toml', 'tedge.toml.lock']);
  });

  it('is left alone when its directory is in the way', async () => {
    const directory = await directoryWith();
    await mkdir(join(directory, 'tedge.toml'));
    const file = new ConfigFile({ directory, env: {}, cwd: '/' });
    await expect(file.set(port, '1')).rejects.toThrow('tedge.toml is not a file');
  });
});
