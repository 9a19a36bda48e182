import { type FileHandle, link, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder, temporaryNameFor, writeDurably } from './durable-file.js';
import { hasCode, isAbsent } from './error-code.js';
import { namesIn, removeIfPresent } from './present-files.js';

// A write takes milliseconds. What is older was left by a process that died.
const abandonedAfterMs = 60_000;

export interface FinishedFile {
  readonly mode: number;
  /** Called with the open file before its mode is set, for what else it needs, such as an owner. */
  readonly prepare?: (file: FileHandle) => Promise<void>;
}

/**
 * Writes a file so that a reader, and a crash at any point, sees the old content or the new one, whole.
 *
 * A temporary name in the same folder, mode 0600 while it is written, fsync, then the final mode, then rename.
 *
 * @param path the folder must exist
 * @param finished mode of the finished file, such as 0o400
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, ENOSPC, …); the old content is untouched
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  finished: number | FinishedFile,
): Promise<void> {
  const temporary = temporaryNameFor(path);
  try {
    await writeDurably(temporary, content, typeof finished === 'number' ? { mode: finished } : finished);
    await rename(temporary, path);
  } catch (error) {
    await removeIfPresent(temporary);
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * As `writeFileAtomic`, but never replaces a file: of several writers at once exactly one wins.
 *
 * @returns whether this call wrote the file; false when one was there already
 */
export async function writeFileOnce(path: string, content: string | Uint8Array, mode: number): Promise<boolean> {
  const temporary = temporaryNameFor(path);
  try {
    await writeDurably(temporary, content, { mode });
    // link(2) fails when the name is taken, where rename(2) would replace what it names.
    return await linked(temporary, path);
  } finally {
    await removeIfPresent(temporary);
    await syncFolder(dirname(path));
  }
}

/** Removes the temporary files that killed writers of `path` left behind. */
export async function sweepTemporaryFiles(path: string, now: Date): Promise<void> {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of await namesIn(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue;
    const candidate = join(folder, name);
    if (await isAbandoned(candidate, now)) await removeIfPresent(candidate);
  }
}

async function linked(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function isAbandoned(path: string, now: Date): Promise<boolean> {
  try {
    return now.getTime() - (await stat(path)).mtimeMs > abandonedAfterMs;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
