import { lstatSync, realpathSync, type Stats, statSync, unlink } from 'node:fs';
import { promisify } from 'node:util';
import { hasCode, isAbsent } from '@sallyport/files';
import { type FileVersion, fileVersion } from './file-version.js';
import { liesWithin } from './location.js';

const unlinkAsync = promisify(unlink);

/** What stands at a place of the storage. */
export interface StoredEntry {
  /** Of the entry itself, be it a link; undefined when there is none. */
  readonly own: Stats | undefined;
  /** Of what a download would find: a link is followed, and shows nothing where it leads out of the storage. */
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

/** The version a peer sees; undefined when it sees no file. */
export function versionOf({ shown }: StoredEntry): FileVersion | undefined {
  return shown?.isFile() ? fileVersion(shown) : undefined;
}

/** Removes a file or a link; false when somebody else was faster. */
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
    // A link that leads nowhere, or in a circle.
    if (isAbsent(error) || hasCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}
