import { FrameError } from './frame-error.js';

const longestTokenBytes = 8;
/** What the length nibbles 13, 14 and 15 add to the number that follows them (RFC 8323 §3.2). */
export const lengthBases = { oneByte: 13, twoBytes: 269, fourBytes: 65_805 } as const;

/** Code, token length and length of one frame: all that is before its token. */
export class FrameHeader {
  /** Bytes of the header, with the code. */
  bytes = 0;
  tokenBytes = 0;
  /** Options, marker and payload. */
  bodyBytes = 0;

  /** The whole message with its header, as Max-Message-Size counts (RFC 8323 §5.3.1). */
  get frameBytes(): number {
    return this.bytes + this.tokenBytes + this.bodyBytes;
  }

  /**
   * @returns false when it has not come whole
   * @throws FrameError the token is longer than 8 bytes
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (start >= end) return false;
    const first = bytes[start] ?? 0;
    this.tokenBytes = first & 0x0f;
    // RFC 8323 §3.2, as RFC 7252 §3: lengths 9 to 15 are reserved.
    if (this.tokenBytes > longestTokenBytes)
      throw new FrameError(`a token of ${this.tokenBytes} bytes is longer than ${longestTokenBytes} bytes`);
    const nibble = first >> 4;
    this.bytes = 2 + extensionBytes(nibble);
    if (end - start < this.bytes) return false;
    this.bodyBytes = bodyLength(bytes, start + 1, nibble);
    return true;
  }
}

function extensionBytes(nibble: number): number {
  if (nibble < 13) return 0;
  return nibble === 15 ? 4 : nibble - 12;
}

function bodyLength(bytes: Buffer, at: number, nibble: number): number {
  switch (nibble) {
    case 13:
      return lengthBases.oneByte + (bytes[at] ?? 0);
    case 14:
      return lengthBases.twoBytes + bytes.readUInt16BE(at);
    case 15:
      // A sum of numbers, not of 32-bit words: it cannot wrap around.
      return lengthBases.fourBytes + bytes.readUInt32BE(at);
    default:
      return nibble;
  }
}
