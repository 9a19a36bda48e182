import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweepTemporaryFiles, writeFileAtomic, writeFileOnce } from './atomic-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('an atomic write', () => {
  it('leaves the content and the mode asked for, and nothing else in the folder', async () => {
    const path = join(folder, 'key.pem');

    await writeFileAtomic(path, 'secret', 0o400);

    expect(await readFile(path, 'utf8')).toBe('secret');
    expect(await modeOf(path)).toBe(0o400);
    expect(await readdir(folder)).toEqual(['key.pem']);
  });

  it('replaces a file that is read-only', async () => {
    const path = join(folder, 'certificate.pem');
    await writeFileAtomic(path, 'old', 0o444);

    await writeFileAtomic(path, 'new', 0o444);

    expect(await readFile(path, 'utf8')).toBe('new');
  });

  it('leaves no trace when it cannot be finished', async () => {
    const path = join(folder, 'taken');
    await mkdir(path);

    await expect(writeFileAtomic(path, 'content', 0o644)).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(folder)).toEqual(['taken']);
  });

  it('fails with ENOENT in a folder that is not there', async () => {
    await expect(writeFileAtomic(join(folder, 'none', 'file'), '', 0o644)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('of many at once leaves one content, whole', async () => {
    const path = join(folder, 'file');
    const contents = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(10_000));

    await Promise.all(contents.map((content) => writeFileAtomic(path, content, 0o644)));

    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['file']);
  });
});

describe('a write that never replaces', () => {
  it('keeps the file that was there first', async () => {
    const path = join(folder, 'key.pem');

    expect(await writeFileOnce(path, 'first', 0o400)).toBe(true);
    expect(await writeFileOnce(path, 'second', 0o400)).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('first');
    expect(await readdir(folder)).toEqual(['key.pem']);
  });

  it('of many at once lets exactly one win', async () => {
    const path = join(folder, 'key.pem');

    const wins = await Promise.all(Array.from({ length: 20 }, (_, index) => writeFileOnce(path, `${index}`, 0o400)));

    expect(wins.filter(Boolean)).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(`${wins.indexOf(true)}`);
  });
});

describe('what killed writers leave behind', () => {
  it('is removed once it is a minute old, and nothing else is', async () => {
    const path = join(folder, 'key.pem');
    const now = new Date('2026-05-01T12:00:00Z');
    const put = async (name: string, age: number) => {
      await writeFile(join(folder, name), '');
      await utimes(join(folder, name), now, new Date(now.getTime() - age));
    };
    await put('.key.pem.abandoned.tmp', 61_000);
    await put('.key.pem.being-written.tmp', 1_000);
    await put('.other.pem.abandoned.tmp', 61_000);
    await put('key.pem', 61_000);

    await sweepTemporaryFiles(path, now);

    expect((await readdir(folder)).sort()).toEqual([
      '.key.pem.being-written.tmp',
      '.other.pem.abandoned.tmp',
      'key.pem',
    ]);
  });

  it('does not matter in a folder that is not there', async () => {
    await expect(sweepTemporaryFiles(join(folder, 'none', 'key.pem'), new Date())).resolves.toBeUndefined();
  });
});
