import { isUtf8 } from 'node:buffer';
import { Problem } from '@sallyport/protocol';

/** The target of a request: one of the two routes, and the rest of its path as received. */
export interface RequestTarget {
  readonly isDeprecatedRoute: boolean;
  /** Still percent-encoded; at least one character. */
  readonly encodedPath: string;
}

const currentRoute = '/te/v1/files/';
const deprecatedRoute = '/tedge/file-transfer/';

/** Finds the route of a request target in origin form (RFC 9112 §3.2.1); undefined for any other address. */
export function parseRequestTarget(url: string): RequestTarget | undefined {
  const isDeprecatedRoute = url.startsWith(deprecatedRoute);
  if (!isDeprecatedRoute && !url.startsWith(currentRoute)) return undefined;
  const start = isDeprecatedRoute ? deprecatedRoute.length : currentRoute.length;
  const end = url.search(/[?#]/);
  const encodedPath = end < 0 ? url.slice(start) : url.slice(start, end);
  return encodedPath === '' ? undefined : { isDeprecatedRoute, encodedPath };
}

/**
 * Decodes `%XX` once (RFC 3986 §2.1). A `%` that is not followed by two hex digits stays, as in thin-edge.io.
 *
 * @throws Problem `invalid-request`: the bytes are not UTF-8.
 */
export function percentDecoded(encoded: string): string {
  // Node decodes the target as latin1. So only ASCII text without `%` needs no decoding.
  if (/^[!-$&-~]*$/.test(encoded)) return encoded;
  const binary = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const bytes = Buffer.from(binary, 'latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new Problem('invalid-request', `Path ${JSON.stringify(encoded)} is not UTF-8 after percent-decoding.`);
}
