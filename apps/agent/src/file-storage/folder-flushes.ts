import { closeSync, constants, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { isAbsent } from '@sallyport/files';

const fsyncAsync = promisify(fsync);

interface Flushes {
  readonly running: Promise<void>;
  /** Begins when the running one is over, for all who came meanwhile. */
  next?: Promise<void>;
}

/**
 * Lets changes of one folder share the way to the disk: whoever comes while a flush runs waits for the next, together
 * with all others who came meanwhile. Many uploads side by side then cost two flushes, not one each.
 */
export class FolderFlushes {
  private readonly byFolder = new Map<string, Flushes>();

  /** Resolves once every name made, replaced or removed in the folder before this call is on disk. */
  flush(folder: string): Promise<void> {
    const flushes = this.byFolder.get(folder);
    if (flushes === undefined) return this.start(folder);
    // The running one may have begun before the change that this caller made; its failure is not this caller's.
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
  // It was empty when somebody removed it, so nothing is in it that could be lost.
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
