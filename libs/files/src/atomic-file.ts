import { link, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder, temporaryNameFor, writeDurably } from './durable-file.js';
import { hasCode, isAbsent } from './error-code.js';
import { likeFormer, statusOf } from './former-file.js';
import { linkTargetOf } from './link-target.js';
import { overwriteInPlace } from './overwrite.js';
import { namesIn, removeIfPresent } from './present-files.js';
import { named, systemError } from './system-error.js';

// A write takes milliseconds. What is older was left by a process that died.
const abandonedAfterMs = 60_000;

export interface FinishedFile {
  /** Of a new file, such as 0o400. */
  readonly mode: number;
  /** A file whose mode and owner a new file gets, if there is one. */
  readonly model?: string | undefined;
  /** What becomes of a symbolic link that has this name; default `followed`. */
  readonly link?: 'followed' | 'replaced';
}

/**
 * Writes a file so that a reader, and a crash at any point, sees the old content or the new one, whole.
 *
 * A temporary name in the same folder, mode 0600 while it is written, fsync, then the final mode, then rename. What is
 * replaced stays as it was: its mode, and its owner and group as far as this process may give files away. A symbolic
 * link keeps pointing where it does, even if there is nothing yet; but root never follows the link of a user to a file
 * of somebody else. A file that is mounted on its own cannot be renamed, so it is overwritten, and a crash at that
 * moment can cut it off.
 *
 * @param path the folder must exist
 * @param finished mode of a new file, such as 0o400
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, EROFS, ENOSPC, …), with the name of the file itself;
 *   the old content is untouched. ENODEV: a pipe or a device has this name
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  finished: number | FinishedFile,
): Promise<void> {
  const { mode, model, link: linkRule }: FinishedFile = typeof finished === 'number' ? { mode: finished } : finished;
  const target = linkRule === 'replaced' ? path : await linkTargetOf(path);
  const former = await statusOf(target, linkRule);
  if (former !== undefined && !former.isFile() && !former.isDirectory())
    throw systemError('ENODEV', 'not a regular file, write', target);
  try {
    await replace(target, content, likeFormer(former ?? (await statusOf(model)), mode));
  } catch (error) {
    // EBUSY: something is mounted under this name. EROFS: only the folder may be read-only.
    if (former?.isFile() !== true || !hasCode(error, 'EBUSY', 'EROFS')) throw error;
    await overwriteInPlace(target, content, former);
  }
}

async function replace(
  target: string,
  content: string | Uint8Array,
  finished: Parameters<typeof writeDurably>[2],
): Promise<void> {
  const temporary = temporaryNameFor(target);
  try {
    await writeDurably(temporary, content, finished);
    await rename(temporary, target);
  } catch (error) {
    await removeIfPresent(temporary).catch(() => false);
    throw named(error, target);
  }
  await syncFolder(dirname(target));
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
  } catch (error) {
    throw named(error, path);
  } finally {
    await removeIfPresent(temporary).catch(() => false);
    await syncFolder(dirname(path)).catch(() => undefined);
  }
}

/** Removes the temporary files that killed writers of `path` left behind. */
export async function sweepTemporaryFiles(path: string, now: Date): Promise<void> {
  const target = await linkTargetOf(path).catch(() => path);
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
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
