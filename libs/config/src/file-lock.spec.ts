import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lutimes, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { withFileLock } from './file-lock.js';
import { thisProcess } from './process-identity.js';

const makeDirectory = configDirectories(onTestFinished);
const token = '8f14e45f-ceea-4674-a2b1-7d0d2f8a6b11';

async function lockHeldBy(holder: Record<string, unknown>): Promise<string> {
  const path = join(await makeDirectory(), 'lock');
  await symlink(JSON.stringify({ ...(await thisProcess()), token, ...holder }), path);
  return path;
}

async function pidOfDeadProcess(): Promise<number | undefined> {
  const child = spawn('/bin/true', { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid;
}

describe('a lock', () => {
  it('lets one holder in at a time', async () => {
    const path = join(await makeDirectory(), 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await readdir('/');
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => withFileLock(path, work)));
    expect(most).toBe(1);
  });

  it('is gone afterwards, also when the work failed', async () => {
    const directory = await makeDirectory();
    const failing = withFileLock(join(directory, 'lock'), () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(directory)).toEqual([]);
  });

  it('is left to who took it over from a process that was stopped for too long', async () => {
    const path = join(await makeDirectory(), 'lock');
    const other = JSON.stringify({ ...(await thisProcess()), token });
    await withFileLock(path, async () => {
      await rm(path);
      await symlink(other, path);
    });
    expect(await readlink(path)).toBe(other);
  });

  it('gives back what the work returns', async () => {
    expect(await withFileLock(join(await makeDirectory(), 'lock'), async () => 7)).toBe(7);
  });

  it('is taken over from a process that died', async () => {
    const path = await lockHeldBy({ pid: await pidOfDeadProcess() });
    expect(await withFileLock(path, async () => 'done', 5000)).toBe('done');
  });

  it('is taken over when another process has the pid of the holder now', async () => {
    const path = await lockHeldBy({ started: '1' });
    expect(await withFileLock(path, async () => 'done', 5000)).toBe('done');
  });

  it('is taken over by one of many, and the others wait their turn', async () => {
    const path = await lockHeldBy({ pid: await pidOfDeadProcess() });
    let inside = 0;
    const work = async () => {
      inside += 1;
      const seen = inside;
      await readdir('/');
      inside -= 1;
      return seen;
    };
    const seen = await Promise.all(Array.from({ length: 20 }, () => withFileLock(path, work)));
    expect(new Set(seen)).toEqual(new Set([1]));
  });

  it('is taken over although the process that was taking it over died too', async () => {
    const pid = await pidOfDeadProcess();
    const path = await lockHeldBy({ pid });
    await symlink(JSON.stringify({ ...(await thisProcess()), token, pid }), `${path}.${token}.dead`);
    expect(await withFileLock(path, async () => 'done', 5000)).toBe('done');
    expect(await readdir(join(path, '..'))).toEqual([]);
  });

  it('is never taken over from a living process', async () => {
    const path = await lockHeldBy({});
    await expect(withFileLock(path, async () => 1, 50)).rejects.toMatchObject({
      type: 'unavailable',
      message: expect.stringMatching(
        new RegExp(`^Process ${process.pid} has kept the configuration locked\\. .*remove lock `),
      ),
    });
    expect(JSON.parse(await readlink(path)).token).toBe(token);
  });

  it('is taken over from another host when it is a minute old, and not before', async () => {
    const path = await lockHeldBy({ host: 'another' });
    // By the clock of this process; the kernel's may be another.
    await lutimes(path, new Date(), new Date());
    await expect(withFileLock(path, async () => 1, 50)).rejects.toMatchObject({ type: 'unavailable' });
    const twoMinutesAgo = new Date(Date.now() - 120_000);
    await lutimes(path, twoMinutesAgo, twoMinutesAgo);
    expect(await withFileLock(path, async () => 'done', 5000)).toBe('done');
  });

  it('leaves no file behind when it gives up', async () => {
    const path = await lockHeldBy({});
    await expect(withFileLock(path, async () => 1, 10)).rejects.toThrow();
    expect(await readdir(join(path, '..'))).toEqual(['lock']);
  });
});
