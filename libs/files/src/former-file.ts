import type { Stats } from 'node:fs';
import { type FileHandle, lstat, stat } from 'node:fs/promises';
import { hasCode, isAbsent } from './error-code.js';

/** What is under a name; undefined when nothing is, when there is no name, or when it is a link that does not count. */
export async function statusOf(
  path: string | undefined,
  link: 'followed' | 'replaced' = 'followed',
): Promise<Stats | undefined> {
  try {
    if (path === undefined) return undefined;
    const isReplaced = link === 'replaced' && (await lstat(path)).isSymbolicLink();
    return isReplaced ? undefined : await stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** How a file is finished that takes the place of another one: with the same mode, owner and group. */
export function likeFormer(former: Stats | undefined, mode: number) {
  if (former === undefined) return { mode };
  return { mode: former.mode & 0o777, prepare: (file: FileHandle) => giveTo(file, former) };
}

/**
 * `sudo tedge config set` must not take the file away from the services that read it.
 *
 * @returns a narrower mode if the file could not be given to its former group: another group gets what everybody has
 */
async function giveTo(file: FileHandle, { uid, gid, mode }: Stats): Promise<number | undefined> {
  const made = await file.stat();
  if (made.uid === uid && made.gid === gid) return undefined;
  if (await isPermitted(file.chown(uid, gid))) return undefined;
  // A user who is not root may still give the file to one of their groups.
  if (made.gid === gid || (await isPermitted(file.chown(-1, gid)))) return undefined;
  return (mode & 0o707) | ((mode & 0o007) << 3);
}

async function isPermitted(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      // EINVAL: the owner has no number in this container's user namespace.
      if (hasCode(error, 'EPERM', 'EINVAL')) return false;
      throw error;
    },
  );
}
