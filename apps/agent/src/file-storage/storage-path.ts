import { Problem } from '@sallyport/protocol';

/** Names of unfinished uploads begin so; no path a peer names can reach one. */
export const temporaryPrefix = '.tmp-';

// NAME_MAX of every file system we meet, in bytes.
const longestNameBytes = 255;
// Far more than anybody nests, and few enough for one request to look at, make and flush: each folder takes a block.
const mostParts = 32;

/** A place below the storage root that is safe to use: no segment is empty, `.`, `..` or the name of an unfinished upload. */
export interface StoragePath {
  /** As the peer asked for it, for messages. */
  readonly text: string;
  /** Empty for the root itself. */
  readonly segments: readonly string[];
}

/**
 * Reads a path as thin-edge.io does: `.`, `..`, repeated and trailing slashes are resolved by their text alone.
 *
 * Only `/` separates: to Linux a backslash is a letter like any other.
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

/** The path is none that this storage serves; looks to the peer like any path that holds nothing. */
export function invalidPath(text: string, options?: ErrorOptions): Problem {
  return new Problem('not-found', `Invalid path: ${JSON.stringify(text)}`, options);
}

/** One part of the path, or all of it, exceeds what the file system can hold. */
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

/** A folder stands where a file was asked for. */
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
