import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceTextFile } from './replace-text-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replace-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inFolder = (name: string) => join(folder, name);
const modeOf = async (name: string) => (await stat(inFolder(name))).mode & 0o777;

describe('a text file that is replaced', () => {
  it('keeps its mode', async () => {
    await writeFile(inFolder('a'), 'old', { mode: 0o600 });
    await replaceTextFile(inFolder('a'), 'new');
    expect([await readFile(inFolder('a'), 'utf8'), await modeOf('a')]).toEqual(['new', 0o600]);
  });

  it('gets mode 0644 when it is new, or that of its model', async () => {
    await writeFile(inFolder('model'), '', { mode: 0o640 });
    await replaceTextFile(inFolder('plain'), 'new');
    await replaceTextFile(inFolder('like'), 'new', { model: inFolder('model') });
    expect([await modeOf('plain'), await modeOf('like')]).toEqual([0o644, 0o640]);
  });

  it.each(['present', 'to-come'])('stays where its link points: %s', async (target) => {
    await writeFile(inFolder('present'), 'old');
    await symlink(target, inFolder('link'));
    await replaceTextFile(inFolder('link'), 'new');
    expect([await readlink(inFolder('link')), await readFile(inFolder(target), 'utf8')]).toEqual([target, 'new']);
  });

  it('leaves no temporary file behind', async () => {
    await replaceTextFile(inFolder('a'), 'new');
    expect(await readdir(folder)).toEqual(['a']);
  });
});
