import { createHash } from 'node:crypto';

/** SHA-256, lower-case hexadecimal. */
export function sha256Hex(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
