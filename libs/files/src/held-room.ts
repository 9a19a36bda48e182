import { randomBytes } from 'node:crypto';
import { temporaryNameFor, writeDurably } from './durable-file.js';
import { removeIfPresent } from './present-files.js';

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
  const temporary = temporaryNameFor(path);
  const release = async () => void (await removeIfPresent(temporary));
  try {
    // Random, for file systems that compress.
    await writeDurably(temporary, randomBytes(bytes), { mode: 0o600 });
  } catch (error) {
    await release();
    throw error;
  }
  return { release, [Symbol.asyncDispose]: release };
}
