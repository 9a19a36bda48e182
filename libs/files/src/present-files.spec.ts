import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exists, namesIn, readTextIfPresent, removeIfPresent } from './present-files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'present-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inFolder = (name: string) => join(folder, name);

describe('a file that may be absent', () => {
  it('is read, found and removed when it is there', async () => {
    await writeFile(inFolder('a'), 'text');
    expect(await readTextIfPresent(inFolder('a'))).toBe('text');
    expect(await exists(inFolder('a'))).toBe(true);
    expect(await namesIn(folder)).toEqual(['a']);
    expect(await removeIfPresent(inFolder('a'))).toBe(true);
  });

  it.each(['none', 'none/below', 'file/below'])('is nothing when it is not: %s', async (name) => {
    await writeFile(inFolder('file'), '');
    expect(await readTextIfPresent(inFolder(name))).toBeUndefined();
    expect(await exists(inFolder(name))).toBe(false);
    expect(await removeIfPresent(inFolder(name))).toBe(false);
    expect(await namesIn(inFolder(name))).toEqual([]);
  });

  it('does not exist when a link points to nothing', async () => {
    await symlink('nothing', inFolder('link'));
    expect(await exists(inFolder('link'))).toBe(false);
  });

  it('is not taken for absent when it is a folder', async () => {
    await mkdir(inFolder('a'));
    await expect(readTextIfPresent(inFolder('a'))).rejects.toMatchObject({ code: 'EISDIR' });
  });

  it('is not waited for when it is a pipe', async () => {
    execFileSync('mkfifo', [inFolder('pipe')]);
    await symlink('pipe', inFolder('link'));
    for (const name of ['pipe', 'link'])
      await expect(readTextIfPresent(inFolder(name))).rejects.toMatchObject({
        code: 'ENODEV',
        path: inFolder(name),
        message: `ENODEV: not a regular file, read '${inFolder(name)}'`,
      });
  });

  it('is read through a link', async () => {
    await writeFile(inFolder('a'), 'text');
    await symlink('a', inFolder('link'));
    expect(await readTextIfPresent(inFolder('link'))).toBe('text');
  });

  it('is read to its end when it is a pipe and may be one', async () => {
    execFileSync('mkfifo', [inFolder('pipe')]);
    const reading = readTextIfPresent(inFolder('pipe'), { mayBePipe: true });
    await writeFile(inFolder('pipe'), 'text');
    expect(await reading).toBe('text');
  });

  it.skipIf(process.getuid?.() === 0)('is not taken for absent when it may not be read', async () => {
    await mkdir(inFolder('shut'));
    await chmod(inFolder('shut'), 0);
    await expect(readTextIfPresent(inFolder('shut/a'))).rejects.toMatchObject({ code: 'EACCES' });
    expect(await exists(inFolder('shut/a'))).toBe(true);
    await chmod(inFolder('shut'), 0o700);
  });
});
