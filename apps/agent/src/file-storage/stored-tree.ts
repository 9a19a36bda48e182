import { type Dirent, lstatSync, type Stats } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { setImmediate as otherWork } from 'node:timers/promises';
import { errorCode } from '@sallyport/files';
import { type Space, spaceOf } from './space.js';
import { isTemporaryName } from './temporary-file.js';

// Entries that are read in one go, in about 2 ms. Other work runs in between.
const entriesAtOnce = 500;

// Ignore entries that disappear in between, and folders that we may not read, such as lost+found: we did not store
// them.
const passedOver = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS']);

interface TreeEntry {
  /** Path relative to the root, without a leading slash. */
  readonly place: string;
  readonly isTemporary: boolean;
}

/** Every file and folder below a root that we may read, folder by folder. Links are not followed. */
async function* foldersBelow(root: string): AsyncGenerator<readonly TreeEntry[]> {
  const waiting = [''];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const found: TreeEntry[] = [];
    for (const entry of await entriesOf(`${root}/${next}`)) {
      const place = next === '' ? entry.name : `${next}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(place);
      if (entry.isDirectory()) found.push({ place, isTemporary: false });
      else if (entry.isFile()) found.push({ place, isTemporary: isTemporaryName(entry.name) });
    }
    yield found;
  }
}

/** Removes unfinished uploads that an earlier process left when it ended. */
export async function removeStaleUploads(root: string): Promise<void> {
  for await (const entries of foldersBelow(root))
    for (const { place, isTemporary } of entries) if (isTemporary) await removeOwn(`${root}/${place}`);
}

/** Reports every complete file and every folder below a root, with the space it takes. */
export async function countStored(root: string, tell: (place: string, space: Space) => void): Promise<void> {
  let seen = 0;
  for await (const entries of foldersBelow(root)) {
    for (const { place, isTemporary } of entries) {
      seen += 1;
      if (seen % entriesAtOnce === 0) await otherWork();
      const stats = isTemporary ? undefined : statsOf(`${root}/${place}`);
      if (stats !== undefined) tell(place, spaceOf(stats));
    }
  }
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

/** Synchronous: with the thread pool a count took two and a half times as long. */
function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    rethrowUnlessPassedOver(error);
    return undefined;
  }
}

function rethrowUnlessPassedOver(error: unknown): void {
  if (!passedOver.has(errorCode(error) ?? '')) throw error;
}
