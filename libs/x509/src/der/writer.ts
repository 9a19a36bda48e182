import { tags } from './tags.js';

/** Encodes one element: the header in its shortest form, then the contents in order. Allocates once. */
export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const content of contents) length += content.length;
  const headerLength = 2 + lengthOctets(length);
  const element = Buffer.allocUnsafe(headerLength + length);
  element[0] = tag;
  writeLength(element, length);
  let offset = headerLength;
  for (const content of contents) {
    element.set(content, offset);
    offset += content.length;
  }
  return element;
}

/** Number of octets after the first octet of a length (X.690 §8.1.3): none up to 127. */
function lengthOctets(length: number): number {
  if (length < 0x80) return 0;
  if (length < 0x100) return 1;
  if (length < 0x1_0000) return 2;
  return length < 0x100_0000 ? 3 : 4;
}

/** Writes a length, starting at octet 1 of an element. The tag is octet 0. */
function writeLength(element: Buffer, length: number): void {
  const octets = lengthOctets(length);
  if (octets === 0) {
    element[1] = length;
    return;
  }
  element[1] = 0x80 | octets;
  element.writeUIntBE(length, 2, octets);
}

/** SEQUENCE. */
export function sequence(...contents: readonly Uint8Array[]): Buffer {
  return tlv(tags.sequence, ...contents);
}

/** SET OF in DER order: elements sorted as octet strings (X.690 §11.6). */
export function setOf(...elements: readonly Uint8Array[]): Buffer {
  return tlv(tags.set, ...(elements.length < 2 ? elements : elements.toSorted(Buffer.compare)));
}

/** OCTET STRING. */
export function octetString(content: Uint8Array): Buffer {
  return tlv(tags.octetString, content);
}

const noUnusedBits = Buffer.of(0);

/** BIT STRING of whole octets. */
export function bitString(content: Uint8Array): Buffer {
  return tlv(tags.bitString, noUnusedBits, content);
}

/** BIT STRING of named bits without trailing zeros (X.690 §11.2.2); `positions` counts from 0, the first bit. */
export function namedBits(positions: readonly number[]): Buffer {
  const last = Math.max(-1, ...positions);
  const content = Buffer.alloc(1 + Math.ceil((last + 1) / 8));
  content[0] = last < 0 ? 0 : 7 - (last % 8);
  for (const position of positions) {
    const index = 1 + Math.floor(position / 8);
    content[index] = (content[index] ?? 0) | (0x80 >> (position % 8));
  }
  return tlv(tags.bitString, content);
}

/**
 * INTEGER from an unsigned big-endian magnitude. Removes leading zeros, and adds a sign octet if the top bit is set.
 */
export function unsignedInteger(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const trimmed = magnitude.subarray(start);
  const first = trimmed[0] ?? 0;
  if (trimmed.length === 0 || first >= 0x80) return tlv(tags.integer, noUnusedBits, trimmed);
  return tlv(tags.integer, trimmed);
}

/** INTEGER from a number that is not negative. */
export function integer(value: number | bigint): Buffer {
  const digits = value.toString(16);
  return unsignedInteger(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex'));
}

/** ENUMERATED from 0 to 127. */
export function enumerated(value: number): Buffer {
  return tlv(tags.enumerated, Buffer.of(value));
}

/** BOOLEAN TRUE. In X.509 the default is always FALSE, and DER does not encode defaults. */
export function booleanTrue(): Buffer {
  return Buffer.of(tags.boolean, 1, 0xff);
}

/** NULL. */
export function nullValue(): Buffer {
  return Buffer.of(tags.null, 0);
}

/** UTF8String. */
export function utf8String(text: string): Buffer {
  return tlv(tags.utf8String, Buffer.from(text, 'utf8'));
}

/** For text that is ASCII: PrintableString, IA5String and their context-tagged forms. */
export function asciiString(tag: number, text: string): Buffer {
  return tlv(tag, Buffer.from(text, 'latin1'));
}
