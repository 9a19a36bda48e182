import type { Stats } from 'node:fs';
import { chmod, open, readFile } from 'node:fs/promises';
import { named } from './system-error.js';

/**
 * Writes into a file that cannot be replaced, because it is mounted on its own. Its mode and owner stay. If the disk
 * refuses the new content, the old one is put back.
 *
 * @throws NodeJS.ErrnoException as the disk says (EROFS, EACCES, ENOSPC, …)
 */
export async function overwriteInPlace(path: string, content: string | Uint8Array, { mode }: Stats): Promise<void> {
  const isReadOnly = (mode & 0o200) === 0;
  try {
    if (isReadOnly) await chmod(path, (mode & 0o777) | 0o200);
    const before = await readFile(path);
    await writeInto(path, content).catch(async (error: unknown) => {
      await writeInto(path, before);
      throw error;
    });
  } catch (error) {
    throw named(error, path);
  } finally {
    if (isReadOnly) await chmod(path, mode & 0o777).catch(() => undefined);
  }
}

async function writeInto(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.writeFile(content);
    await file.truncate(Buffer.byteLength(content));
    await file.sync();
  } finally {
    await file.close();
  }
}
