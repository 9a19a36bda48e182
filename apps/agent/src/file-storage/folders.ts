import { lstatSync, realpathSync, statSync } from 'node:fs';
import { hasCode } from '@sallyport/files';
import { liesWithin } from './location.js';
import type { StorageModes } from './storage-modes.js';
import { invalidPath, nameTooLong, type StoragePath } from './storage-path.js';

// Linux PATH_MAX without the final NUL. We check it before we make the first folder, so that no part of them remains.
const longestPathBytes = 4095;

/** The place for a file: a folder that exists, with links resolved, and the names that are missing below it. */
export interface Destination {
  readonly folder: string;
  readonly missing: readonly string[];
  readonly name: string;
}

/** The path of the file itself; undefined while its folder does not exist. */
export function entryOf({ folder, missing, name }: Destination): string | undefined {
  return missing.length === 0 ? `${folder}/${name}` : undefined;
}

/**
 * Finds and makes the folders of the storage. It checks each folder of a path every time, because local processes move
 * folders and replace them by links. It follows links that stay inside the storage.
 */
export class Folders {
  /**
   * @param root the root folder of the storage, with all links resolved
   * @param modes permissions of the folders it makes
   */
  constructor(
    private readonly root: string,
    private readonly modes: StorageModes,
  ) {}

  /**
   * Finds the deepest folder of a path that exists.
   *
   * @param path not the root itself
   * @throws Problem `not-found`: a link in the path leads out of the storage; `invalid-request`: the path is too long.
   * @throws Error with code `ENOTDIR`: a part of the path is a file.
   */
  find({ text, segments }: StoragePath): Destination {
    if (Buffer.byteLength(`${this.root}/${segments.join('/')}`) > longestPathBytes) throw nameTooLong(text);
    const name = segments.at(-1) ?? '';
    let folder = this.enterRoot(text);
    for (let depth = 0; depth < segments.length - 1; depth += 1) {
      const next = this.enter(`${folder}/${segments[depth]}`, text);
      if (next === undefined) return { folder, missing: segments.slice(depth, -1), name };
      folder = next;
    }
    return { folder, missing: [], name };
  }

  /**
   * Makes the missing folders of a path. Other requests may make the same folders at the same time.
   *
   * @param onMade called for each folder as soon as it is made
   * @returns the path of the file, and the folders whose entries change
   * @throws Problem `not-found`: a link in the path has no target, or another process removed a new folder.
   */
  make(
    path: StoragePath,
    onMade: (folder: string) => void,
  ): { readonly entry: string; readonly folders: readonly string[] } {
    const found = this.find(path);
    const changed: string[] = [];
    let folder = found.folder;
    for (const name of found.missing) {
      changed.push(folder);
      folder = `${folder}/${name}`;
      const outcome = this.makeFolder(folder);
      if (outcome === 'nowhere') break;
      if (outcome === 'made') onMade(folder);
    }
    // Entries that others made in between may be links, so check again.
    const destination = found.missing.length === 0 ? found : this.find(path);
    const entry = entryOf(destination);
    if (entry === undefined) throw invalidPath(path.text);
    return { entry, folders: [...changed, destination.folder] };
  }

  /** Makes the root again if another process removed it. If it is now a link, it leads out of the storage. */
  private enterRoot(text: string): string {
    const stats = lstatSync(this.root, { throwIfNoEntry: false });
    if (stats === undefined) this.modes.openRoot(this.root);
    else if (!stats.isDirectory()) throw invalidPath(text);
    return this.root;
  }

  /** The real location of the folder, with links resolved; undefined when there is none. */
  private enter(path: string, text: string): string | undefined {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory()) return stats && path;
    if (!stats.isSymbolicLink()) throw notAFolder(path);
    const target = statSync(path, { throwIfNoEntry: false });
    if (target === undefined) return undefined;
    const location = realpathSync.native(path);
    if (!liesWithin(location, this.root)) throw invalidPath(text);
    if (!target.isDirectory()) throw notAFolder(path);
    return location;
  }

  /** `nowhere` if the folder above it does not exist, because a link without a target has that name. */
  private makeFolder(path: string): 'made' | 'present' | 'nowhere' {
    try {
      this.modes.makeFolder(path);
      return 'made';
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return 'nowhere';
      if (hasCode(error, 'EEXIST')) return 'present';
      throw error;
    }
  }
}

function notAFolder(path: string): Error {
  return Object.assign(new Error(`${path} is not a folder.`), { code: 'ENOTDIR' });
}
