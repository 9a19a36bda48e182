import { closeSync, constants, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { isAbsent } from '@sallyport/files';

const fsyncAsync = promisify(fsync);

interface Flushes {
  readonly running: Promise<void>;
  /** Starts when the running flush has ended, for all callers that came in between. */
  next?: Promise<void>;
}

/**
 * Shares the flushes of a folder between changes. A caller that comes while a flush runs waits for the next one,
 * together with all other callers that came in between. So many parallel uploads need two flushes, and not one each.
 */
export class FolderFlushes {
  private readonly byFolder = new Map<string, Flushes>();

  /** Resolves when every name that was made, replaced or removed in the folder before this call is on disk. */
  flush(folder: string): Promise<void> {
    const flushes = this.byFolder.get(folder);
    if (flushes === undefined) return this.start(folder);
    // The running flush may have started before the change of this caller. So wait for the next, even if this one
    // fails.
    flushes.next ??= flushes.running.then(
      () => this.start(folder),
      () => this.start(folder),
    );
    return flushes.next;
  }

  private start(folder: string): Promise<void> {
    const flushes: Flushes = { running: flushFolder(folder) };
    this.byFolder.set(folder, flushes);
    const end = (): void => {
      if (flushes.next === undefined) this.byFolder.delete(folder);
    };
    flushes.running.then(end, end);
    return flushes.running;
  }
}

async function flushFolder(folder: string): Promise<void> {
  const fd = openIfPresent(folder);
  // Only an empty folder can be removed, so nothing in it can be lost.
  if (fd === undefined) return;
  try {
    await fsyncAsync(fd);
  } finally {
    closeSync(fd);
  }
}

function openIfPresent(folder: string): number | undefined {
  try {
    return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
