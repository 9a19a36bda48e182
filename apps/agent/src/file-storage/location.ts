import { readlinkSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { hasCode } from '@sallyport/files';

/**
 * The real location of an open file. We ask Linux about the descriptor itself, so nobody can exchange a link between
 * the check and the use. Without `/proc` we resolve the path.
 */
export function locationOfOpen(fd: number, path: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return realpathSync.native(path);
  }
}

/** True when `location` is `folder` or below it. Both have all links resolved. */
export function liesWithin(location: string, folder: string): boolean {
  return location === folder || (location.startsWith(folder) && location[folder.length] === sep);
}
