import { isUtf8 } from 'node:buffer';

const empty = Buffer.alloc(0);

/** An integer as the value of an option: as few bytes as it needs, none for 0 (RFC 7252 §3.2). Up to 32 bits. */
export function encodeUint(value: number): Buffer {
  if (value === 0) return empty;
  const bytes = Math.ceil((32 - Math.clz32(value)) / 8);
  const buffer = Buffer.allocUnsafe(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** @param value at most 4 bytes; leading zeros are allowed (RFC 7252 §3.2) */
export function decodeUint(value: Buffer): number {
  return value.length === 0 ? 0 : value.readUIntBE(0, value.length);
}

/** Undefined when it is no UTF-8. */
export function decodeText(value: Buffer): string | undefined {
  return isUtf8(value) ? value.toString('utf8') : undefined;
}
