import { readlinkSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { hasCode } from '@sallyport/files';

/**
 * Where an open file really lies. Linux is asked about the descriptor itself, so that no link can be swapped in between
 * the check and the use; where there is no `/proc`, the path is resolved.
 */
export function locationOfOpen(fd: number, path: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return realpathSync.native(path);
  }
}

/** True when `location` is `folder` or lies below it; both with all links followed. */
export function liesWithin(location: string, folder: string): boolean {
  return location === folder || (location.startsWith(folder) && location[folder.length] === sep);
}
