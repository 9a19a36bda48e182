import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, open, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode } from './error-code.js';

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
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    await writeDurably(temporary, text, former);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(target));
}

function statusOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error) => missing(error, undefined));
}

/** Where the file is, or will be. Links that lead in a circle were reported when the file was read. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    missing(error, undefined);
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : targetOf(resolve(dirname(path), link));
  }
}

function missing<T>(error: unknown, substitute: T): T {
  if (errorCode(error) === 'ENOENT') return substitute;
  throw error;
}

async function writeDurably(path: string, text: string, former: Stats | undefined): Promise<void> {
  const mode = former === undefined ? 0o644 : former.mode & 0o777;
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    if (former !== undefined) await giveTo(file, former);
    // open() applies the umask, which may be stricter than what others need to read the settings.
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** `sudo tedge config set` must not take the file away from the services that read it. */
async function giveTo(file: FileHandle, { uid, gid }: Stats): Promise<void> {
  const isGiven = await isPermitted(file.chown(uid, gid));
  // Who is not root may still leave the file to a group they belong to.
  if (!isGiven) await isPermitted(file.chown(-1, gid));
}

async function isPermitted(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'EPERM') return false;
      throw error;
    },
  );
}

// The rename itself is only on disk once the directory is.
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
