import { type Block, bertExponent, unitBytes } from './block-option.js';

/** The blocks that a body is cut into. */
export interface BlockSize {
  readonly sizeExponent: number;
  /** Bytes of the body in one message. */
  readonly bytes: number;
}

/** One block of a body, and what it holds. */
export function blockAt(body: Buffer, offset: number, size: BlockSize): { block: Block; payload: Buffer } {
  const end = offset + size.bytes;
  const block = { number: offset / unitBytes(size), hasMore: end < body.length, sizeExponent: size.sizeExponent };
  return { block, payload: body.subarray(offset, end) };
}

/** RFC 7959 §2.3, RFC 8323 §6: a block that others follow is full; with BERT it is some full units. */
export function hasBlockLength({ hasMore, sizeExponent }: Block, bytes: number): boolean {
  const unit = unitBytes({ sizeExponent });
  if (sizeExponent !== bertExponent) return hasMore ? bytes === unit : bytes <= unit;
  return !hasMore || (bytes > 0 && bytes % unit === 0);
}
