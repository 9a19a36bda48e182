import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A hidden name in the same folder: rename(2) and link(2) work within one file system only. */
export function temporaryNameFor(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

/**
 * Makes a file and waits until it is on disk. Only this user may read it while it is written.
 *
 * @param mode of the finished file, whatever the umask says
 * @param prepare called before the mode is set, since a change of the owner clears bits of it. It may return a narrower
 *   mode
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array,
  { mode, prepare }: { readonly mode: number; readonly prepare?: (file: FileHandle) => Promise<number | undefined> },
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    const narrower = await prepare?.(file);
    await file.chmod(narrower ?? mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A new name is on disk only when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
