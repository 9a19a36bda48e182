import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { EntranceLevels, isLower } from './entrance-levels.js';

const directoryWith = configDirectories(onTestFinished);
const at = '2026-01-02T03:04:05.000Z';

async function door() {
  const [directory, dataDirectory] = [await directoryWith(), await directoryWith()];
  return {
    directory,
    dataDirectory,
    levels: new EntranceLevels({ directory, stateDirectory: directory, dataDirectory }, 'http'),
  };
}

describe('the level a door last had', () => {
  it('is unknown at first', async () => {
    const { levels } = await door();
    expect(await levels.read()).toBeUndefined();
  });

  it.each(['plain', 'server', 'mutual'] as const)('is %s after that was written down', async (level) => {
    const { levels } = await door();
    await levels.write({ level, inForceAt: at });
    expect(await levels.read()).toEqual({ level, inForceAt: at });
  });

  it.each(['directory', 'dataDirectory'] as const)('survives the loss of the %s', async (lost) => {
    const opened = await door();
    await opened.levels.write({ level: 'mutual', inForceAt: at });
    await rm(opened[lost], { recursive: true });
    expect(await opened.levels.read()).toEqual({ level: 'mutual', inForceAt: at });
  });

  it('is another one for each group and for each configuration directory', async () => {
    const { levels, directory, dataDirectory } = await door();
    await levels.write({ level: 'mutual', inForceAt: at });
    const otherGroup = new EntranceLevels({ directory, stateDirectory: directory, dataDirectory }, 'mqtt');
    const other = await directoryWith();
    const otherSite = new EntranceLevels({ directory: other, stateDirectory: other, dataDirectory }, 'http');
    expect([await otherGroup.read(), await otherSite.read()]).toEqual([undefined, undefined]);
  });

  it('is the higher one when the copies differ', async () => {
    const { levels, directory } = await door();
    await levels.write({ level: 'server', inForceAt: at });
    await writeFile(join(directory, 'doors/http.json'), '{ "level": "mutual" }');
    expect(await levels.read()).toEqual({ level: 'mutual' });
  });

  it.each(['', '{', '{"level":"none"}', 'null'])('counts as mutual when a copy says %j', async (text) => {
    const { levels, directory } = await door();
    await levels.write({ level: 'plain', inForceAt: at });
    await writeFile(join(directory, 'doors/http.json'), text);
    expect(await levels.read()).toEqual({ level: 'mutual' });
  });

  it('is kept in the data directory alone where the configuration cannot be written', async () => {
    const { levels, directory } = await door();
    // A file in the way of the folder: not even root writes there.
    await writeFile(join(directory, 'doors'), '');
    await levels.write({ level: 'mutual', inForceAt: at });
    expect(await levels.read()).toEqual({ level: 'mutual', inForceAt: at });
  });

  it('is not lowered when a copy that is higher cannot be changed', async () => {
    const { levels, directory } = await door();
    await levels.write({ level: 'mutual', inForceAt: at });
    await rm(join(directory, 'doors/http.json'));
    await mkdir(join(directory, 'doors/http.json'));
    await expect(levels.write({ level: 'plain', inForceAt: at })).rejects.toMatchObject({ type: 'forbidden' });
    expect((await levels.read())?.level).toBe('mutual');
  });

  it('is a problem that says where, when it cannot be written down at all', async () => {
    const { levels, directory, dataDirectory } = await door();
    await Promise.all([directory, dataDirectory].map((path) => writeFile(join(path, 'doors'), '')));
    await expect(levels.write({ level: 'server', inForceAt: at })).rejects.toMatchObject({
      type: 'forbidden',
      message: expect.stringContaining(join(directory, 'doors/http.json')),
    });
  });

  it('is written in place of a symbolic link, and not where that points', async () => {
    const { levels, directory, dataDirectory } = await door();
    const victim = join(dataDirectory, 'victim');
    await writeFile(victim, 'text of another program');
    await mkdir(join(directory, 'doors'));
    await symlink(victim, join(directory, 'doors', 'http.json'));
    await levels.write({ level: 'mutual', inForceAt: at });
    expect(await readFile(victim, 'utf8')).toBe('text of another program');
    expect(await levels.read()).toEqual({ level: 'mutual', inForceAt: at });
  });

  it('can be read by every service of the machine', async () => {
    const { levels, directory } = await door();
    await chmod(directory, 0o755);
    await levels.write({ level: 'server', inForceAt: at });
    expect((await stat(join(directory, 'doors/http.json'))).mode & 0o777).toBe(0o644);
    expect(await readFile(join(directory, 'doors/http.json'), 'utf8')).toBe(`{"level":"server","inForceAt":"${at}"}\n`);
  });
});

describe('levels', () => {
  it('are ordered plain, server, mutual', () => {
    expect([isLower('plain', 'server'), isLower('server', 'mutual'), isLower('plain', 'mutual')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([isLower('server', 'server'), isLower('mutual', 'plain')]).toEqual([false, false]);
  });
});
