import { unwatchFile, watchFile } from 'node:fs';
import { mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileWatch } from './file-watch.js';

const pollMs = 10;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watch-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inFolder = (name: string) => join(folder, name);

/** Watches two files. */
async function watchPair(quietMs: number) {
  const paths = [inFolder('cert'), inFolder('key')];
  for (const path of paths) await writeFile(path, 'old');
  let calls = 0;
  const onChange = () => {
    calls += 1;
  };
  const watch = await FileWatch.start({ paths, pollMs, quietMs, onChange });
  return { watch, calls: () => calls };
}

/** Resolves when a poll has seen the next change of the file. */
function seen(path: string): Promise<void> {
  return new Promise((resolve) => {
    const listener = (): void => {
      unwatchFile(path, listener);
      resolve();
    };
    watchFile(path, { persistent: false, interval: pollMs }, listener);
  });
}

describe('a watch of files', () => {
  it.each([
    ['written', async () => writeFile(inFolder('key'), 'new')],
    ['replaced', async () => writeFile(inFolder('new'), 'new').then(() => rename(inFolder('new'), inFolder('key')))],
    ['removed', async () => unlink(inFolder('key'))],
  ])('tells of a file that is %s', async (_, change) => {
    const { watch, calls } = await watchPair(20);
    await change();
    await expect.poll(calls).toBe(1);
    watch.stop();
  });

  it('tells once of a file that is emptied first and written a moment later', async () => {
    const { watch, calls } = await watchPair(400);
    const emptied = seen(inFolder('cert'));
    await writeFile(inFolder('cert'), '');
    await emptied;
    expect(calls()).toBe(0);
    await writeFile(inFolder('cert'), 'new');
    await expect.poll(calls).toBe(1);
    watch.stop();
  });

  it('tells nothing after its end', async () => {
    const { watch, calls } = await watchPair(50);
    const changed = seen(inFolder('cert'));
    await writeFile(inFolder('cert'), 'new');
    await changed;
    watch.stop();
    const other = await watchPair(50);
    await writeFile(inFolder('key'), 'new');
    await expect.poll(other.calls).toBe(1);
    other.watch.stop();
    expect(calls()).toBe(0);
  });
});
