import { lstatSync, realpathSync, type Stats, statSync, unlink } from 'node:fs';
import { promisify } from 'node:util';
import { hasCode, isAbsent } from '@sallyport/files';
import { type FileVersion, fileVersion } from './file-version.js';
import { liesWithin } from './location.js';

const unlinkAsync = promisify(unlink);

/** The entry at a place of the storage. */
export interface StoredEntry {
  /** Stats of the entry itself, also if it is a link; undefined when there is none. */
  readonly own: Stats | undefined;
  /** Stats of what a download would find. Links are followed; undefined if a link leads out of the storage. */
  readonly shown: Stats | undefined;
}

/**
 * Looks at one place.
 *
 * @param within folders that a link may lead into
 */
export function lookAt(path: string, within: readonly string[]): StoredEntry {
  const own = lstatSync(path, { throwIfNoEntry: false });
  return { own, shown: own?.isSymbolicLink() ? targetOf(path, within) : own };
}

/** The version that a peer sees; undefined when it sees no file. */
export function versionOf({ shown }: StoredEntry): FileVersion | undefined {
  return shown?.isFile() ? fileVersion(shown) : undefined;
}

/** Removes a file or a link; false when another process has already removed it. */
export async function unlinkIfPresent(path: string): Promise<boolean> {
  try {
    await unlinkAsync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

function targetOf(path: string, within: readonly string[]): Stats | undefined {
  try {
    const location = realpathSync.native(path);
    return within.some((folder) => liesWithin(location, folder)) ? statSync(location) : undefined;
  } catch (error) {
    // The link has no target, or leads to itself.
    if (isAbsent(error) || hasCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}
