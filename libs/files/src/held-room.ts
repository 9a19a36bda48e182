import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { temporaryNameFor, writeDurably } from './durable-file.js';
import { hasCode } from './error-code.js';
import { linkTargetOf } from './link-target.js';
import { removeIfPresent } from './present-files.js';
import { named } from './system-error.js';

/** Room on a disk that is reserved until it is released. */
export interface HeldRoom extends AsyncDisposable {
  release(): Promise<void>;
}

/**
 * Reserves room beside a file that will be written later. So nothing is requested that cannot be stored. Release the
 * room just before writing.
 *
 * @param path the folder must exist
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, ENOSPC, …); nothing is left behind
 */
export async function holdRoom(path: string, bytes: number): Promise<HeldRoom> {
  const target = await linkTargetOf(path);
  const temporary = temporaryNameFor(target);
  const release = async () => void (await removeIfPresent(temporary));
  try {
    // Random, for file systems that compress.
    await writeDurably(temporary, randomBytes(bytes), { mode: 0o600 });
  } catch (error) {
    await release();
    // Only the file may be mounted writable. It will be overwritten, and room beside it says nothing.
    if (!(hasCode(error, 'EROFS') && (await isWritable(target)))) throw named(error, path);
  }
  return { release, [Symbol.asyncDispose]: release };
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}
