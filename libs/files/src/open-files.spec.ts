import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '@sallyport/testkit';
import { expect, it } from 'vitest';
import { processWithOpenFile } from './open-files.js';

it('finds the other process that has a file open, and none when it has ended', async () => {
  await using directory = temporaryDirectory();
  const path = directory.file('lock');
  await writeFile(path, '');
  const child = spawn('sh', ['-c', 'exec 3<lock; echo open; read end'], { cwd: directory.path });
  await once(child.stdout, 'data');

  expect(await processWithOpenFile(path)).toBe(child.pid);

  child.stdin.end();
  await once(child, 'exit');
  expect(await processWithOpenFile(path)).toBeUndefined();
});
