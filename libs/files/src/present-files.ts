import { constants, type Stats } from 'node:fs';
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { isAbsent } from './error-code.js';
import { systemError } from './system-error.js';

export interface ReadOptions {
  /** A person named the path and may have meant a pipe, as in `--passphrase-file <(pass show ca)`. Default false. */
  readonly mayBePipe?: boolean;
}

/**
 * The file's text, or undefined when there is no such file.
 *
 * @throws Error `EISDIR`: it is a directory; `ENODEV`: it is a pipe, a socket or a device, and reading could wait for ever
 */
export function readTextIfPresent(path: string, { mayBePipe = false }: ReadOptions = {}): Promise<string | undefined> {
  // Without O_NONBLOCK even the opening of a pipe waits for somebody who writes.
  const flags = mayBePipe ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK;
  return unlessAbsent(async () => {
    const file = await open(path, flags);
    try {
      refuseUnlessReadable(await file.stat(), path, mayBePipe);
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

function refuseUnlessReadable(stats: Stats, path: string, mayBePipe: boolean): void {
  if (stats.isFile() || (mayBePipe && !stats.isDirectory())) return;
  if (stats.isDirectory()) throw systemError('EISDIR', 'illegal operation on a directory, read', path);
  throw systemError('ENODEV', 'not a regular file, read', path);
}
