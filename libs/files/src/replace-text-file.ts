import type { Stats } from 'node:fs';
import { type FileHandle, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { writeFileAtomic } from './atomic-file.js';
import { hasCode } from './error-code.js';

const newFileMode = 0o644;

/**
 * Replaces a text file as a whole: after a crash at any point it holds either the old or the new text.
 *
 * A new file gets mode 0644; an existing one keeps its mode and, as far as this process may give files away, its owner.
 * A symbolic link keeps pointing where it does, even if there is nothing yet.
 *
 * @param options.model a file whose mode and owner a new file gets, when there is one.
 */
export async function replaceTextFile(path: string, text: string, options: { model?: string } = {}): Promise<void> {
  const target = await targetOf(path);
  const former = (await statusOf(target)) ?? (await statusOf(options.model ?? target));
  if (former === undefined) return writeFileAtomic(target, text, newFileMode);
  await writeFileAtomic(target, text, { mode: former.mode & 0o777, prepare: (file) => giveTo(file, former) });
}

async function statusOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Where the file is, or will be. Links that lead in a circle were reported when the file was read. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : targetOf(resolve(dirname(path), link));
  }
}

/** `sudo tedge config set` must not take the file away from the services that read it. */
async function giveTo(file: FileHandle, { uid, gid }: Stats): Promise<void> {
  const isGiven = await isPermitted(file.chown(uid, gid));
  // A user who is not root may still give the file to one of their groups.
  if (!isGiven) await isPermitted(file.chown(-1, gid));
}

async function isPermitted(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'EPERM')) return false;
      throw error;
    },
  );
}
