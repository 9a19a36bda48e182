import { randomBytes } from 'node:crypto';
import { link, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file so that a reader, and a crash at any point, sees the old content or the new one, whole.
 *
 * A temporary name in the same folder, mode 0600 while it is written, fsync, then the final mode, then rename.
 *
 * @param path the folder must exist
 * @param mode of the finished file, such as 0o400
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, ENOSPC, …); the old content is untouched
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = temporaryNameFor(path);
  try {
    await writeDurably(temporary, content, mode);
    await rename(temporary, path);
  } catch (error) {
    await removeIfPresent(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * As `writeFileAtomic`, but never replaces a file: of several writers at once exactly one wins.
 *
 * @returns whether this call wrote the file; false when one was there already
 */
export async function writeFileOnce(path: string, content: string | Uint8Array, mode: number): Promise<boolean> {
  const temporary = temporaryNameFor(path);
  try {
    await writeDurably(temporary, content, mode);
    // link(2) fails when the name is taken, where rename(2) would replace what it names.
    return await linked(temporary, path);
  } finally {
    await removeIfPresent(temporary);
    await syncDirectory(dirname(path));
  }
}

/** Room on a disk that is taken until it is given back. */
export interface HeldRoom extends AsyncDisposable {
  release(): Promise<void>;
}

/**
 * Takes room beside a file that is to be written later, so that what cannot be kept is not asked for in the first place.
 * Give it back just before writing.
 *
 * @param path the folder must exist
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, ENOSPC, …); nothing is left behind
 */
export async function holdRoom(path: string, bytes: number): Promise<HeldRoom> {
  const temporary = temporaryNameFor(path);
  const release = async () => void (await removeIfPresent(temporary));
  try {
    // Random, for file systems that compress.
    await writeDurably(temporary, randomBytes(bytes), 0o600);
  } catch (error) {
    await release();
    throw error;
  }
  return { release, [Symbol.asyncDispose]: release };
}

/** Removes a file; fine when it is not there. Returns whether it was. */
export async function removeIfPresent(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The file's text, or undefined when there is no such file. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).isDirectory()) throw isDirectory(path);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

// A write takes milliseconds; what is older was left by a process that died.
const abandonedAfterMs = 60_000;

/** As the system says it, which leaves the path out. */
function isDirectory(path: string): Error {
  return Object.assign(new Error(`EISDIR: illegal operation on a directory, read '${path}'`), { code: 'EISDIR', path });
}

/** Removes the temporary files that killed writers of `path` left behind. */
export async function sweepTemporaryFiles(path: string, now: Date): Promise<void> {
  const directory = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of await namesIn(directory)) {
    if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue;
    const candidate = join(directory, name);
    if (await isAbandoned(candidate, now)) await removeIfPresent(candidate);
  }
}

/** True for the error of a path that does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function temporaryNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(9).toString('base64url')}.tmp`);
}

async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linked(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** A rename is durable once its folder is on disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** What a folder holds; nothing when there is no such folder. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function isAbandoned(path: string, now: Date): Promise<boolean> {
  try {
    return now.getTime() - (await stat(path)).mtimeMs > abandonedAfterMs;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
