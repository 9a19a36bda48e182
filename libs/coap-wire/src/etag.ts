import { createHash } from 'node:crypto';

const etagBytes = 8;

/** Names a representation by its content (RFC 7252 §5.10.6). The same bytes have the same name. */
export function etagOf(content: Buffer | string): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, etagBytes);
}
