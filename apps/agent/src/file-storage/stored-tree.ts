import { type Dirent, lstatSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import { faultCode } from './file-system-fault.js';
import { isTemporaryName } from './temporary-file.js';

// Looked at in one go, in about 2 ms; others are let on in between.
const filesAtOnce = 500;

// What goes away meanwhile need not be looked at any more. What we have no right to, such as lost+found, was not stored by us.
const passedOver = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS']);

interface StoredFile {
  readonly path: string;
  readonly isTemporary: boolean;
}

/** Every file below a folder that we have the right to see; links are not followed. */
async function* filesBelow(folder: string): AsyncGenerator<StoredFile> {
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await entriesOf(next)) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) yield { path, isTemporary: isTemporaryName(entry.name) };
    }
  }
}

/** Removes what uploads left that were cut short by the end of an earlier process. */
export async function removeStaleUploads(root: string): Promise<void> {
  for await (const { path, isTemporary } of filesBelow(root)) if (isTemporary) await removeOwn(path);
}

/** Bytes of all finished files below a folder. */
export async function countStoredBytes(root: string): Promise<number> {
  let bytes = 0;
  let files = 0;
  for await (const { path, isTemporary } of filesBelow(root)) {
    files += 1;
    if (files % filesAtOnce === 0) await otherWork();
    if (!isTemporary) bytes += sizeOf(path);
  }
  return bytes;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    rethrowUnlessPassedOver(error);
    return [];
  }
}

async function removeOwn(path: string): Promise<void> {
  try {
    await rm(path);
  } catch (error) {
    rethrowUnlessPassedOver(error);
  }
}

/** Asked through the thread pool, a count took two and a half times as long. */
function sizeOf(path: string): number {
  try {
    return lstatSync(path).size;
  } catch (error) {
    rethrowUnlessPassedOver(error);
    return 0;
  }
}

function rethrowUnlessPassedOver(error: unknown): void {
  if (!passedOver.has(faultCode(error) ?? '')) throw error;
}
