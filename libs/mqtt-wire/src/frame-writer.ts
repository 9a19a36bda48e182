// Type byte and remaining length: the header is written last, directly before the body.
const longestHeaderBytes = 5;

/** Builds one packet in one growing Buffer. */
export class FrameWriter {
  private bytes: Buffer;
  private position = longestHeaderBytes;

  constructor(expectedBodyBytes = 128) {
    this.bytes = Buffer.allocUnsafe(longestHeaderBytes + expectedBodyBytes);
  }

  byte(value: number): void {
    // First the place: making room may replace the buffer.
    const at = this.reserve(1);
    this.bytes[at] = value;
  }

  number(value: number, bytes: 1 | 2 | 4): void {
    const at = this.reserve(bytes);
    this.bytes.writeUIntBE(value, at, bytes);
  }

  variableInteger(value: number): void {
    const at = this.reserve(sizeOfVariableInteger(value));
    writeVariableInteger(this.bytes, value, at);
  }

  /** @throws RangeError above 65,535 bytes of UTF-8 */
  text(value: string): void {
    const length = Buffer.byteLength(value, 'utf8');
    this.number(length, 2);
    const at = this.reserve(length);
    this.bytes.write(value, at, 'utf8');
  }

  /** @throws RangeError above 65,535 bytes */
  binary(value: Uint8Array): void {
    this.number(value.length, 2);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.bytes.set(value, at);
  }

  /** Puts the length of what `write` adds in front of it, as a variable byte integer. */
  measured(write: () => void): void {
    const start = this.position;
    write();
    const length = this.position - start;
    const lengthBytes = sizeOfVariableInteger(length);
    this.reserve(lengthBytes);
    this.bytes.copyWithin(start + lengthBytes, start, start + length);
    writeVariableInteger(this.bytes, length, start);
  }

  /** What was written, without a fixed header: a view. */
  body(): Buffer {
    return this.bytes.subarray(longestHeaderBytes, this.position);
  }

  /** @param firstByte packet type and flags */
  frame(firstByte: number): Buffer {
    const length = this.position - longestHeaderBytes;
    const start = longestHeaderBytes - 1 - sizeOfVariableInteger(length);
    this.bytes[start] = firstByte;
    writeVariableInteger(this.bytes, length, start + 1);
    return this.bytes.subarray(start, this.position);
  }

  /** Makes room; returns where it starts. */
  private reserve(length: number): number {
    const start = this.position;
    this.position += length;
    if (this.position > this.bytes.length) this.grow();
    return start;
  }

  private grow(): void {
    const larger = Buffer.allocUnsafe(Math.max(this.position, 2 * this.bytes.length));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

export function sizeOfVariableInteger(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

/** @returns the place behind it */
export function writeVariableInteger(bytes: Buffer, value: number, start: number): number {
  let [left, at] = [value, start];
  for (; left >= 128; left = Math.floor(left / 128)) {
    bytes[at] = (left % 128) | 0x80;
    at += 1;
  }
  bytes[at] = left;
  return at + 1;
}
