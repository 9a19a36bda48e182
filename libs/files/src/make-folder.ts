import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from './error-code.js';
import { systemError } from './system-error.js';

/**
 * Makes a folder, and those above it that are missing. Fine when it is there.
 *
 * Node's own recursive `mkdir` says ENOENT on a read-only file system, and never ends below /proc.
 *
 * @param mode of each folder that is made, such as 0o700
 * @returns whether this call made it
 * @throws NodeJS.ErrnoException as the disk says (EACCES, EROFS, ENOSPC, …); ENOTDIR: a part of the path is a file
 */
export async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return requireFolder(path);
    if (!hasCode(error, 'ENOENT') || dirname(path) === path) throw error;
  }
  await makeFolder(dirname(path), mode);
  return mkdir(path, { mode }).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'EEXIST')) return requireFolder(path);
      throw error;
    },
  );
}

async function requireFolder(path: string): Promise<false> {
  if (!(await stat(path)).isDirectory()) throw systemError('ENOTDIR', 'not a directory, mkdir', path);
  return false;
}
