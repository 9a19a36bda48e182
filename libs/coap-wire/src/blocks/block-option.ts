import { encodeUint } from '../option-values.js';

/** The value of Block1 or Block2 (RFC 7959 §2.2, RFC 8323 §6). */
export interface Block {
  /** Which block, from 0. With BERT it counts in units of 1,024 bytes. */
  readonly number: number;
  readonly hasMore: boolean;
  /** 0 to 6 for 16 to 1,024 bytes; 7 is BERT: as many units of 1,024 bytes as a message holds. */
  readonly sizeExponent: number;
}

/** The size exponent that stands for BERT (RFC 8323 §6). */
export const bertExponent = 7;

/** Bytes of one unit that the number counts in. */
export function unitBytes({ sizeExponent }: Pick<Block, 'sizeExponent'>): number {
  return sizeExponent === bertExponent ? 1_024 : 16 << sizeExponent;
}

/** Where the block starts in the whole body, in bytes. */
export function blockOffset(block: Block): number {
  return block.number * unitBytes(block);
}

/** The value of the option. */
export function encodeBlock({ number, hasMore, sizeExponent }: Block): Buffer {
  return encodeUint(number * 16 + (hasMore ? 8 : 0) + sizeExponent);
}

/** @param value at most 3 bytes, as an integer */
export function decodeBlock(value: number): Block {
  return { number: value >> 4, hasMore: (value & 8) !== 0, sizeExponent: value & 7 };
}
