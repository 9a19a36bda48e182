import { open, readdir, stat, unlink } from 'node:fs/promises';
import { isAbsent } from './error-code.js';

/** The file's text, or undefined when there is no such file. */
export function readTextIfPresent(path: string): Promise<string | undefined> {
  return unlessAbsent(async () => {
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).isDirectory()) throw isDirectory(path);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }, undefined);
}

/**
 * Whether there is something under this name; a symbolic link counts as what it points to. What this process may not
 * look at counts as there.
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    return !isAbsent(error);
  }
}

/** Removes a file; fine when it is not there. Returns whether it was. */
export function removeIfPresent(path: string): Promise<boolean> {
  return unlessAbsent(async () => {
    await unlink(path);
    return true;
  }, false);
}

/** The names in a folder; none when there is no such folder. */
export function namesIn(folder: string): Promise<string[]> {
  return unlessAbsent(() => readdir(folder), []);
}

async function unlessAbsent<Result>(look: () => Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await look();
  } catch (error) {
    if (isAbsent(error)) return otherwise;
    throw error;
  }
}

/** As the system says it, which leaves the path out. */
function isDirectory(path: string): Error {
  return Object.assign(new Error(`EISDIR: illegal operation on a directory, read '${path}'`), { code: 'EISDIR', path });
}
