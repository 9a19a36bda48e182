import { Problem } from '@sallyport/protocol';

/** Names of unfinished uploads begin with this. No path of a peer can reach them. */
export const temporaryPrefix = '.tmp-';

// NAME_MAX of all usual file systems, in bytes.
const longestNameBytes = 255;
// Nobody needs a deeper path. One request may have to check, make and flush this many folders, and each takes a block.
const mostParts = 32;

/** A safe path below the root: no segment is empty, `.`, `..` or the name of an unfinished upload. */
export interface StoragePath {
  /** The path as the peer wrote it, for messages. */
  readonly text: string;
  /** Empty for the root itself. */
  readonly segments: readonly string[];
}

/**
 * Parses a path as thin-edge.io does: `.`, `..`, repeated and trailing slashes are resolved as text.
 *
 * Only `/` is a separator. For Linux a backslash is a normal character.
 *
 * @throws Problem `not-found`: absolute, leaves the root, or holds a NUL or a reserved name.
 * @throws Problem `invalid-request`: a segment is longer than 255 bytes, or there are more than 32.
 */
export function parseStoragePath(text: string): StoragePath {
  if (text.startsWith('/') || text.includes('\0')) throw invalidPath(text);
  const segments: string[] = [];
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) throw invalidPath(text);
  }
  if (segments.length > mostParts) throw tooDeep(text);
  for (const segment of segments) {
    if (segment.startsWith(temporaryPrefix)) throw invalidPath(text);
    if (Buffer.byteLength(segment) > longestNameBytes) throw nameTooLong(text);
  }
  return { text, segments };
}

/** This storage does not serve the path. The peer gets the same answer as for a path without a file. */
export function invalidPath(text: string, options?: ErrorOptions): Problem {
  return new Problem('not-found', `Invalid path: ${JSON.stringify(text)}`, options);
}

/** A part of the path, or the whole path, is too long for the file system. */
export function nameTooLong(text: string, options?: ErrorOptions): Problem {
  return new Problem(
    'invalid-request',
    `Path too long: ${JSON.stringify(text)} has a part of more than ${longestNameBytes} bytes, or more than 4096 bytes in all. Use shorter names.`,
    options,
  );
}

function tooDeep(text: string): Problem {
  return new Problem('invalid-request', `Path too deep: ${JSON.stringify(text)} has more than ${mostParts} parts.`);
}

/** The path is a folder, but a file was requested. */
export function isDirectory(type: 'not-found' | 'conflict', text: string, options?: ErrorOptions): Problem {
  return new Problem(type, `Not a file: ${JSON.stringify(text)} is a directory`, options);
}

/** Only an empty folder can be removed. */
export function isNotEmpty(text: string, options?: ErrorOptions): Problem {
  return new Problem(
    'conflict',
    `Not empty: ${JSON.stringify(text)} is a directory with something in it. Delete that first; an upload still under way ends by itself.`,
    options,
  );
}
