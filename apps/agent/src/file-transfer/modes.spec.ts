import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe('what other users of the machine may do with stored files', () => {
  const modes = async (files: ServedFiles) => {
    await files.put('/te/v1/files/a/b/c.txt', 'deep');
    return Promise.all(['', 'a', 'a/b', 'a/b/c.txt'].map((path) => modeOf(join(files.directory, path))));
  };

  it('is nothing: folders are made 0750 and files 0640', async () => {
    await using files = await ServedFiles.start();
    expect(await modes(files)).toEqual(['750', '750', '750', '640']);
  });

  it.each([
    [0o022, ['755', '755', '755', '644']],
    [0o077, ['700', '700', '700', '600']],
    [0o007, ['770', '770', '770', '660']],
  ])('is what http.storage_umask %o leaves, whatever the umask of the process', async (umask, expected) => {
    await using files = await ServedFiles.start({ umask });
    expect(await modes(files)).toEqual(expected);
  });

  it('is nothing either with what an earlier release stored: its root is closed, the files stay as they are', async () => {
    await using folder = temporaryDirectory();
    const directory = join(folder.path, 'files');
    await mkdir(join(directory, 'old'), { recursive: true });
    await writeFile(join(directory, 'old', 'file'), 'x');
    await chmod(directory, 0o755);
    await chmod(join(directory, 'old', 'file'), 0o644);
    await using files = await ServedFiles.start({ directory });
    expect(await modeOf(directory)).toBe('750');
    expect(await modeOf(join(directory, 'old', 'file'))).toBe('644');
    expect((await files.get('/te/v1/files/old/file')).text).toBe('x');
  });

  it('stays less where the operator has closed the root further', async () => {
    await using folder = temporaryDirectory();
    const directory = join(folder.path, 'files');
    await mkdir(directory);
    await chmod(directory, 0o700);
    await using files = await ServedFiles.start({ directory });
    await files.put('/te/v1/files/foo', 'x');
    expect(await modeOf(directory)).toBe('700');
  });
});
