import { Problem } from '@sallyport/protocol';

const maximumDepth = 16;

interface Header {
  readonly contentStart: number;
  /** undefined: the length is indefinite, up to the end-of-contents octets. */
  readonly length: number | undefined;
}

/**
 * Reads as much of BER (X.690 §8) as is needed to find DER inside a foreign envelope. It accepts indefinite and
 * overlong lengths, but only tags of one byte and at most 16 levels. It never reads past the end.
 */
export class BerCursor {
  private readonly bytes: Buffer;
  private readonly depth: number;
  private readonly end: number;
  private position: number;

  private constructor(bytes: Buffer, start: number, end: number, depth: number) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.depth = depth;
  }

  static over(bytes: Uint8Array): BerCursor {
    return new BerCursor(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength, 0);
  }

  get isAtEnd(): boolean {
    return this.position >= this.end;
  }

  /** Tag of the next element; -1 when there is none. */
  get nextTag(): number {
    return this.isAtEnd ? -1 : this.byteAt(this.position);
  }

  /** The bytes of the next element, including its header. */
  next(): Buffer {
    const start = this.position;
    this.position = this.elementEnd(start, this.depth);
    return this.bytes.subarray(start, this.position);
  }

  /** A cursor over the content of the next element, which must have this tag. This cursor moves past it. */
  enter(tag: number): BerCursor {
    if (this.nextTag !== tag) this.fail(`has not the tag 0x${tag.toString(16)}`);
    const { contentStart, length } = this.header(this.position);
    const end = this.elementEnd(this.position, this.depth);
    this.position = end;
    const contentEnd = length === undefined ? end - 2 : end;
    return new BerCursor(this.bytes, contentStart, contentEnd, this.depth + 1);
  }

  /** Refuses the envelope. `reason` continues a sentence about the present element. */
  fail(reason: string): never {
    throw new Problem(
      'certificate-rejected',
      `PKCS #7 rejected: the element at byte ${this.position} ${reason}. Send a certs-only message (RFC 5652).`,
    );
  }

  private elementEnd(start: number, depth: number): number {
    if (depth > maximumDepth) this.fail(`nests deeper than ${maximumDepth} levels`);
    const { contentStart, length } = this.header(start);
    if (length !== undefined)
      return contentStart + length <= this.end ? contentStart + length : this.fail('is longer than what holds it');
    let position = contentStart;
    while (!this.isEndOfContents(position)) position = this.elementEnd(position, depth + 1);
    return position + 2;
  }

  private isEndOfContents(position: number): boolean {
    return this.byteAt(position) === 0 && this.byteAt(position + 1) === 0;
  }

  private header(start: number): Header {
    if ((this.byteAt(start) & 0x1f) === 0x1f) this.fail('has a tag of several bytes');
    const first = this.byteAt(start + 1);
    if (first < 0x80) return { contentStart: start + 2, length: first };
    if (first === 0x80) return { contentStart: start + 2, length: undefined };
    const octets = first & 0x7f;
    if (octets > 4) this.fail('has a length of more than 4 octets');
    let length = 0;
    for (let index = 0; index < octets; index++) length = length * 256 + this.byteAt(start + 2 + index);
    return { contentStart: start + 2 + octets, length };
  }

  private byteAt(offset: number): number {
    const byte = offset < this.end ? this.bytes[offset] : undefined;
    return byte ?? this.fail('ends early');
  }
}
