import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOperatorFile } from './operator-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'operator-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a file an operator named', () => {
  it('is read byte by byte, whatever it holds', async () => {
    await writeFile(join(folder, 'file'), Buffer.from([0x41, 0xff, 0x00]));
    expect(await readOperatorFile(join(folder, 'file'))).toMatchObject({ state: 'file', text: 'A\u00ff\u0000' });
  });

  it.each(['none', 'file/below'])('may be missing: %s', async (name) => {
    await writeFile(join(folder, 'file'), '');
    const reading = await readOperatorFile(join(folder, name));
    expect(reading).toMatchObject({ state: 'missing', fault: expect.stringMatching(/^cannot be read \(ENO/) });
  });

  it('may be a folder', async () => {
    expect(await readOperatorFile(folder)).toEqual({
      state: 'directory',
      fault: 'is a directory, and only files are read',
    });
  });

  it('is not waited for when it is a pipe', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(await readOperatorFile(join(folder, 'pipe'))).toEqual({
      state: 'unreadable',
      fault: 'is not a regular file',
    });
  });

  it('is not read when it is larger than any bundle of CAs', async () => {
    await writeFile(join(folder, 'large'), '');
    await truncate(join(folder, 'large'), 4 * 1024 * 1024 + 1);
    expect(await readOperatorFile(join(folder, 'large'))).toEqual({
      state: 'unreadable',
      fault: 'has 4194305 bytes, and at most 4194304 are read',
    });
  });
});
