import { lstatSync, realpathSync, statSync } from 'node:fs';
import { hasCode } from '@sallyport/files';
import { liesWithin } from './location.js';
import type { StorageModes } from './storage-modes.js';
import { invalidPath, nameTooLong, type StoragePath } from './storage-path.js';

// Linux PATH_MAX, less the final NUL. Known before the first folder is made, or half of them would stay.
const longestPathBytes = 4095;

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

/**
 * Finds and makes the folders of the storage. Each on the way is looked at every time, as local processes move folders
 * and put links in their places; links are followed as far as they stay inside the storage.
 */
export class Folders {
  /**
   * @param root the folder everything is stored below, with all links followed
   * @param modes of the folders it makes
   */
  constructor(
    private readonly root: string,
    private readonly modes: StorageModes,
  ) {}

  /**
   * Finds the deepest folder that exists on the way to a file.
   *
   * @param path not the root itself
   * @throws Problem `not-found`: a link on the way leads out of the storage; `invalid-request`: the path is too long.
   * @throws Error with code `ENOTDIR`: a file is on the way.
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
   * Makes what is missing on the way to a file; others may make the same folders meanwhile.
   *
   * @param onMade told of each folder made, as soon as it is there
   * @returns the file's path, and the folders whose entries change
   * @throws Problem `not-found`: a link on the way leads nowhere, or somebody removed what was just made.
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
    // What others made meanwhile may be links.
    const destination = found.missing.length === 0 ? found : this.find(path);
    const entry = entryOf(destination);
    if (entry === undefined) throw invalidPath(path.text);
    return { entry, folders: [...changed, destination.folder] };
  }

  /** Makes the root anew if somebody removed it under us; a link in its place leads out of it. */
  private enterRoot(text: string): string {
    const stats = lstatSync(this.root, { throwIfNoEntry: false });
    if (stats === undefined) this.modes.openRoot(this.root);
    else if (!stats.isDirectory()) throw invalidPath(text);
    return this.root;
  }

  /** Where the folder of that path really lies; undefined when there is none. */
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

  /** `nowhere` when the folder above is not there: a link that leads nowhere has its name. */
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
