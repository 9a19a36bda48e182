import type { DerReader } from './reader.js';
import { tags } from './tags.js';

/** X.690 §11.1: only 0xff means TRUE. */
export function readBoolean(reader: DerReader): boolean {
  const content = reader.readContent(tags.boolean);
  const octet = content[0];
  if (content.length !== 1 || (octet !== 0 && octet !== 0xff)) reader.fail('is not a boolean');
  return octet === 0xff;
}

/**
 * The content of an INTEGER (or ENUMERATED) in two's complement. Checks that it has the fewest octets (X.690 §8.3.2).
 */
export function readInteger(reader: DerReader, tag: number = tags.integer): Buffer {
  const content = reader.readContent(tag);
  const [first, second] = content;
  if (first === undefined) return reader.fail('is an integer without octets');
  if (second === undefined) return content;
  const isPadded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
  return isPadded ? reader.fail('is an integer that is not in its shortest form') : content;
}

/** The magnitude of an INTEGER that is not negative, without an octet that is only for the sign. */
export function readUnsignedInteger(reader: DerReader): Buffer {
  const content = readInteger(reader);
  if ((content[0] ?? 0) >= 0x80) reader.refuse('is negative', 'with a positive number there');
  return content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
}

/** An INTEGER or ENUMERATED from 0 to 2^31 - 1. */
export function readSmallInteger(reader: DerReader, tag: number = tags.integer): number {
  const content = readInteger(reader, tag);
  if (content.length > 4 || (content[0] ?? 0) >= 0x80)
    reader.refuse('is not a small number', 'with a number from 0 to 2147483647 there');
  return content.readUIntBE(0, content.length);
}

/** The octets of a BIT STRING without unused bits. Keys and signatures have no unused bits. */
export function readBitString(reader: DerReader): Buffer {
  const content = reader.readContent(tags.bitString);
  if (content[0] !== 0) reader.refuse('is a bit string with unused bits', 'with whole octets there');
  return content.subarray(1);
}

/** Positions of the set bits, counted from the first (X.680 §22, named bit list). */
export function readNamedBits(reader: DerReader): number[] {
  const content = reader.readContent(tags.bitString);
  const unused = content[0] ?? 8;
  const bits = content.subarray(1);
  const last = bits.at(-1) ?? 0;
  // X.690 §11.2.1: unused bits are zero.
  if (unused > 7 || (bits.length === 0 && unused > 0) || (last & ((1 << unused) - 1)) !== 0)
    reader.fail('is a bit string with wrong unused bits');
  const positions: number[] = [];
  for (const [index, octet] of bits.entries())
    for (let bit = 0; bit < 8; bit++) if ((octet & (0x80 >> bit)) !== 0) positions.push(index * 8 + bit);
  return positions;
}
