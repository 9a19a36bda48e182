import type { Dirent } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsence } from './file-system-fault.js';
import { isTemporaryName } from './temporary-file.js';

interface StoredEntry {
  readonly path: string;
  readonly isTemporary: boolean;
}

/** Every file below a folder; links are not followed. A folder that goes away meanwhile is passed over. */
async function* filesBelow(folder: string): AsyncGenerator<StoredEntry> {
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await entriesOf(next)) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) yield { path, isTemporary: isTemporaryName(entry.name) };
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** Removes what uploads left that were cut short by the end of an earlier process; returns how many. */
export async function removeStaleUploads(root: string): Promise<number> {
  let removed = 0;
  for await (const { path, isTemporary } of filesBelow(root)) {
    if (!isTemporary) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}

/** Bytes of all finished files below a folder. */
export async function countStoredBytes(root: string): Promise<number> {
  let total = 0;
  for await (const { path, isTemporary } of filesBelow(root)) if (!isTemporary) total += await sizeOf(path);
  return total;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (isAbsence(error)) return 0;
    throw error;
  }
}
