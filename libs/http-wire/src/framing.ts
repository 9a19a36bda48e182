import { FramingError } from './faults.js';
import type { HeadFields } from './head-fields.js';

/** Where a body ends: after so many bytes, at its last chunk, or with the connection. */
export type Framing = number | 'chunked' | 'until-close';

/** @throws FramingError; @see RFC 9110 §8.6 */
export function contentLengthOf({ contentLength, contentLengths }: HeadFields): number | undefined {
  if (contentLengths === 0) return undefined;
  // RFC 9112 §6.3: a list of equal values may be accepted. We refuse it: somebody else may read the other one.
  if (contentLengths > 1) throw new FramingError('malformed', 'more than one Content-Length');
  // 15 digits are exact numbers, and more than any body has.
  if (!/^\d{1,15}$/.test(contentLength)) throw new FramingError('malformed', 'Content-Length is not a number of bytes');
  return Number(contentLength);
}

/** Whether the only transfer coding is `chunked`. */
export function isOnlyChunked({ transferCoding, transferCodings }: HeadFields): boolean {
  return transferCodings === 1 && transferCoding.toLowerCase() === 'chunked';
}
