import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isAbsent } from './error-code.js';
import { statusOf } from './former-file.js';
import { systemError } from './system-error.js';

// As Linux does (path_resolution(7)).
const mostLinks = 40;

/**
 * Where a file is, or will be, when the name may be a symbolic link.
 *
 * In a folder that a user may write, that user could make a link to anything. So a link counts if it belongs to root, to
 * us, or to the owner of what it points to.
 *
 * @throws NodeJS.ErrnoException `ELOOP`: the links lead in a circle; `EACCES`: a link of another user
 */
export async function linkTargetOf(path: string): Promise<string> {
  const owners: number[] = [];
  let target = path;
  for (let links = 0; links < mostLinks; links += 1) {
    const status = await lstatIfPresent(target);
    if (status?.isSymbolicLink() !== true) {
      if (owners.length > 0) await requireOwnLinks(path, target, owners);
      return target;
    }
    owners.push(status.uid);
    // Text of a link counts from the real place of its folder, which may be reached through a link too.
    const folder = await realpath(dirname(target));
    target = resolve(folder, await readlink(join(folder, basename(target))));
  }
  throw systemError('ELOOP', 'too many symbolic links encountered, write', path);
}

async function requireOwnLinks(path: string, target: string, owners: readonly number[]): Promise<void> {
  const owner = ((await statusOf(target)) ?? (await statusOf(dirname(target))))?.uid;
  const trusted = new Set([0, process.geteuid?.() ?? 0, owner]);
  if (!owners.every((uid) => trusted.has(uid)))
    throw systemError('EACCES', `symbolic link of another user to ${target}, write`, path);
}

async function lstatIfPresent(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
