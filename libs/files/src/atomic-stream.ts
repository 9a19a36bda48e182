import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder, temporaryNameFor } from './durable-file.js';
import { statusOf } from './former-file.js';
import { linkTargetOf } from './link-target.js';
import { removeIfPresent } from './present-files.js';
import { systemError } from './system-error.js';

/**
 * As `writeFileAtomic`, for content that is too large for memory. If the content ends with an error, nothing is left. A
 * symbolic link keeps pointing where it does.
 *
 * @param path the folder must exist
 * @param mode of the finished file; while it is written it has 0600
 * @returns how many bytes were written
 * @throws NodeJS.ErrnoException as the disk says (ENOENT, EACCES, ENOSPC, …), or what the content throws; the old content
 *   is untouched. ENODEV: a pipe or a device has this name
 */
export async function writeStreamAtomic(
  path: string,
  content: AsyncIterable<Uint8Array>,
  mode: number,
): Promise<number> {
  const target = await linkTargetOf(path);
  const former = await statusOf(target);
  if (former !== undefined && !former.isFile() && !former.isDirectory())
    throw systemError('ENODEV', 'not a regular file, write', target);
  const temporary = temporaryNameFor(target);
  const file = await open(temporary, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const piece of content) {
      await file.writeFile(piece);
      bytes += piece.length;
    }
    await file.chmod(mode);
    await file.sync();
    await file.close();
    await rename(temporary, target);
  } catch (error) {
    await file.close().catch(() => undefined);
    await removeIfPresent(temporary);
    throw error;
  }
  await syncFolder(dirname(target));
  return bytes;
}
