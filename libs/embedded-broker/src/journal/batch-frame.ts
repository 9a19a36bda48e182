import { crc32 } from 'node:zlib';

/** "SPJB": each batch starts with it, so that a reader finds batches behind a damaged one. */
const batchMagic = 0x53504a42;

/**
 * Magic (4), number of the batch (6), length of its records (4), CRC-32 of number, length and records (4).
 *
 * The CRC starts with the salt of the segment. A client may publish bytes that look like a batch. It does not know the
 * salt, so they never count as one.
 */
export const batchHeaderBytes = 18;
const checkedFrom = 4;
const lengthAt = 10;
const checksumAt = 14;

/** What stands at a place of a segment. */
export type FoundBatch =
  | { readonly kind: 'whole'; readonly batch: number; readonly records: Buffer; readonly end: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'damaged' };

/**
 * Completes a batch.
 *
 * @param bytes its records, behind so many bytes of room as the header has
 */
export function sealBatch(bytes: Buffer, { batch, salt }: { readonly batch: number; readonly salt: number }): void {
  bytes.writeUInt32BE(batchMagic, 0);
  bytes.writeUIntBE(batch, checkedFrom, 6);
  bytes.writeUInt32BE(bytes.length - batchHeaderBytes, lengthAt);
  bytes.writeUInt32BE(checksumOf(bytes, salt), checksumAt);
}

/** Reads the batch at a place. A batch counts as a whole: all of its records or none. */
export function batchAt(segment: Buffer, at: number, salt: number): FoundBatch {
  if (at === segment.length) return { kind: 'end' };
  if (segment.length - at < batchHeaderBytes || segment.readUInt32BE(at) !== batchMagic) return { kind: 'damaged' };
  const end = at + batchHeaderBytes + segment.readUInt32BE(at + lengthAt);
  if (end > segment.length) return { kind: 'damaged' };
  const bytes = segment.subarray(at, end);
  if (bytes.readUInt32BE(checksumAt) !== checksumOf(bytes, salt)) return { kind: 'damaged' };
  return { kind: 'whole', batch: bytes.readUIntBE(checkedFrom, 6), records: bytes.subarray(batchHeaderBytes), end };
}

/**
 * Whether a whole batch stands somewhere behind a damaged place. A crash leaves at most one batch unfinished, and nothing
 * behind it. So a batch behind damage shows that bytes were lost that had been written and acknowledged.
 */
export function hasBatchBehind(segment: Buffer, damagedAt: number, salt: number): boolean {
  const magic = Buffer.alloc(4);
  magic.writeUInt32BE(batchMagic);
  for (let at = segment.indexOf(magic, damagedAt + 1); at !== -1; at = segment.indexOf(magic, at + 1))
    if (batchAt(segment, at, salt).kind === 'whole') return true;
  return false;
}

function checksumOf(bytes: Buffer, salt: number): number {
  return crc32(bytes.subarray(batchHeaderBytes), crc32(bytes.subarray(checkedFrom, checksumAt), salt));
}
