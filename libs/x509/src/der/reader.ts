import { Problem, type ProblemType } from '@sallyport/protocol';

/** The kind of document. Every error begins with it: "CSR rejected: …". */
export interface DerDocument {
  readonly title: string;
  readonly problem: ProblemType;
  /** What the holder of a refused document can do, such as "make it again". The error adds how the next one must be. */
  readonly redo: string;
}

/** X.509 never nests deeper than this. The limit stops input with endless nesting. */
const maximumDepth = 16;

const constructedBit = 0x20;
const multiByteTag = 0x1f;

/**
 * A cursor over DER (X.690 §10). It moves by offsets and copies nothing: the results are views of the input.
 *
 * It is strict: definite lengths in their shortest form, one-byte tags, at most 16 levels, nothing after the end of an
 * entered element. Every error is a `Problem` of the type of the document, and names the byte.
 *
 * @example
 * reader.enter(tags.sequence);
 * const version = reader.readContent(tags.integer);
 * reader.leave(); // fails if anything is left
 */
export class DerReader {
  readonly bytes: Buffer;
  readonly document: DerDocument;
  private readonly part: string;
  private cursor = 0;
  private end: number;
  private outerEnds: number[] = [];
  /** Start of the element that was read last. Errors are about this element. */
  private elementStart = 0;
  private contentStart = 0;
  private contentEnd = 0;

  /** @param part  the part of the document that the bytes are, for errors; absent: the whole document. */
  constructor(bytes: Uint8Array, document: DerDocument, part?: string) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.document = document;
    this.part = part === undefined ? '' : ` of ${part}`;
    this.end = bytes.byteLength;
  }

  /** Offset of the next element. Together with `since` it gives the bytes read in between. */
  get position(): number {
    return this.cursor;
  }

  /** The bytes from an earlier position to this one. */
  since(position: number): Buffer {
    return this.bytes.subarray(position, this.cursor);
  }

  /** Whether the element entered last, or the whole input, was read to its end. */
  get isAtEnd(): boolean {
    return this.cursor === this.end;
  }

  /** Tag of the next element; -1 when there is none. */
  get nextTag(): number {
    return this.isAtEnd ? -1 : this.byteAt(this.cursor);
  }

  /** Enters the next element, which must have this tag. */
  enter(tag: number): void {
    this.readHeader(tag);
    if (this.outerEnds.length === maximumDepth) this.refuseShape(`nests deeper than ${maximumDepth} levels`);
    this.outerEnds.push(this.end);
    this.end = this.contentEnd;
    this.cursor = this.contentStart;
  }

  /** Leaves the element entered last, which must have been read to its end. */
  leave(): void {
    if (!this.isAtEnd) this.refuseShapeAtPosition('is more than what holds it allows');
    this.end = this.outerEnds.pop() ?? this.fail('is left once too often');
  }

  /** Requires that the whole input was read. */
  finish(): void {
    if (!this.isAtEnd || this.outerEnds.length > 0) this.refuseShapeAtPosition('comes after the end');
  }

  /** The content octets of the next element, which must have this tag. */
  readContent(tag: number): Buffer {
    this.readHeader(tag);
    this.cursor = this.contentEnd;
    return this.bytes.subarray(this.contentStart, this.contentEnd);
  }

  /** The whole next element, including its header. Nested elements are checked too. */
  readElement(tag?: number): Buffer {
    const start = this.cursor;
    this.skip(tag);
    return this.since(start);
  }

  /** Skips the next element. Nested elements are checked too. */
  skip(tag = this.nextTag): void {
    if ((tag & constructedBit) === 0 || tag < 0) {
      this.readHeader(tag);
      this.cursor = this.contentEnd;
      return;
    }
    this.enter(tag);
    while (!this.isAtEnd) this.skip();
    this.leave();
  }

  /** Refuses octets that are not DER. `reason` continues a sentence about the element read last. */
  fail(reason: string): never {
    return this.refuse(reason, 'with a tool that writes DER (X.690)');
  }

  /**
   * Refuses the value of an element that is correctly encoded.
   *
   * @param reason  continues a sentence about the element read last.
   * @param wanted  how the next document must be, such as "with version 3".
   */
  refuse(reason: string, wanted: string): never {
    const { redo } = this.document;
    return this.reject(reason, `${redo.charAt(0).toUpperCase()}${redo.slice(1)} ${wanted}.`);
  }

  /** Refuses input without the parts of such a document. Often it is another kind of document, or it is cut off. */
  private refuseShape(reason: string): never {
    const { title, redo } = this.document;
    return this.reject(reason, `Check that this is one whole ${title}; if it is, ${redo} with another tool.`);
  }

  private reject(reason: string, remedy: string): never {
    const { title, problem } = this.document;
    const place = `the element at byte ${this.elementStart}${this.part}`;
    throw new Problem(problem, `${title} rejected: ${place} ${reason}. ${remedy}`);
  }

  private refuseShapeAtPosition(reason: string): never {
    this.elementStart = this.cursor;
    return this.refuseShape(reason);
  }

  private readHeader(tag: number): void {
    this.elementStart = this.cursor;
    if (this.isAtEnd) this.refuseShape('is missing');
    const found = this.byteAt(this.cursor);
    if ((found & multiByteTag) === multiByteTag) this.refuseShape('has a tag of several bytes');
    if (found !== tag) this.refuseShape(`has tag 0x${hexByte(found)} where 0x${hexByte(tag)} belongs`);
    const first = this.byteAt(this.cursor + 1);
    const headerLength = first < 0x80 ? 2 : 2 + (first & 0x7f);
    const length = first < 0x80 ? first : this.readLongLength(first & 0x7f);
    this.contentStart = this.cursor + headerLength;
    this.contentEnd = this.contentStart + length;
    if (this.contentEnd > this.end) this.refuseShape('is longer than what holds it');
  }

  /** X.690 §10.1: the definite form, in the fewest octets. */
  private readLongLength(octets: number): number {
    if (octets === 0) this.fail('has an indefinite length');
    if (octets > 4) this.refuseShape('has a length of more than 4 octets');
    let length = 0;
    for (let index = 0; index < octets; index++) length = length * 256 + this.byteAt(this.cursor + 2 + index);
    if (length < (octets === 1 ? 0x80 : 256 ** (octets - 1)))
      this.fail('has a length that is not in its shortest form');
    return length;
  }

  private byteAt(offset: number): number {
    const byte = offset < this.end ? this.bytes[offset] : undefined;
    return byte ?? this.refuseShape('ends early');
  }
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
