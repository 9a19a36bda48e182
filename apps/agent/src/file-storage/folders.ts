import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { faultCode } from './file-system-fault.js';
import { liesWithin } from './location.js';
import { invalidPath, type StoragePath } from './storage-path.js';

/** The folder everything is stored below. */
export interface StorageRoot {
  readonly path: string;
  /** Its path with all links followed. */
  readonly location: string;
}

/** Where a file is to be put: a folder that exists, its links followed, and the names still missing below it. */
export interface Destination {
  readonly folder: string;
  readonly missing: readonly string[];
  readonly name: string;
}

/** The path of the file itself; undefined while its folder does not exist. */
export function entryOf({ folder, missing, name }: Destination): string | undefined {
  return missing.length === 0 ? `${folder}/${name}` : undefined;
}

interface KnownFolder {
  readonly inode: number;
  readonly device: number;
  readonly location: string;
}

const mostKnown = 1_000;

/**
 * Finds and makes the folders of the storage. Links are followed as far as they stay inside it. Where a folder lies is
 * asked once; after that, that its path still leads to the same inode.
 */
export class Folders {
  private readonly knownByPath = new Map<string, KnownFolder>();

  constructor(private readonly root: StorageRoot) {}

  /**
   * Finds the deepest folder that exists on the way to a file.
   *
   * @param path not the root itself
   * @throws Problem `not-found`: a link on the way leads out of the storage.
   * @throws Error with code `ENOTDIR`: a file is on the way.
   */
  find(path: StoragePath): Destination {
    const { segments } = path;
    const name = segments.at(-1) ?? '';
    for (let depth = segments.length - 1; depth >= 0; depth -= 1) {
      const folder = this.locate(path, depth);
      if (folder !== undefined) return { folder, missing: segments.slice(depth, -1), name };
    }
    // Somebody removed the root under us.
    mkdirSync(this.root.path, { recursive: true, mode: 0o755 });
    return this.find(path);
  }

  /**
   * Makes what is missing on the way to a file; others may make the same folders meanwhile.
   *
   * @returns the file's path, and the folders whose entries change
   */
  make(path: StoragePath): { readonly entry: string; readonly folders: readonly string[] } {
    const folders: string[] = [];
    // Each round makes one folder, so there are no more rounds than segments unless a link leads nowhere.
    for (const _ of path.segments) {
      const destination = this.find(path);
      folders.push(destination.folder);
      const entry = entryOf(destination);
      if (entry !== undefined) return { entry, folders };
      makeFolder(`${destination.folder}/${destination.missing[0]}`);
    }
    throw invalidPath(path.text);
  }

  /** Where the folder of the first `depth` segments lies; undefined when it does not exist. */
  private locate({ text, segments }: StoragePath, depth: number): string | undefined {
    const path = [this.root.path, ...segments.slice(0, depth)].join('/');
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (!stats.isDirectory()) throw Object.assign(new Error(`${path} is not a folder.`), { code: 'ENOTDIR' });
    const known = this.knownByPath.get(path);
    if (known?.inode === stats.ino && known.device === stats.dev) return known.location;
    const location = realpathSync.native(path);
    if (!liesWithin(location, this.root.location)) throw invalidPath(text);
    this.remember(path, { inode: stats.ino, device: stats.dev, location });
    return location;
  }

  private remember(path: string, folder: KnownFolder): void {
    const oldest = this.knownByPath.size < mostKnown ? undefined : this.knownByPath.keys().next().value;
    if (oldest !== undefined) this.knownByPath.delete(oldest);
    this.knownByPath.set(path, folder);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    if (faultCode(error) !== 'EEXIST') throw error;
  }
}
