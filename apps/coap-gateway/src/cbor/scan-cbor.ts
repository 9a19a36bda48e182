import { isUtf8 } from 'node:buffer';

/** What a body may hold. */
export interface CborLimits {
  /** Arrays and maps inside each other. */
  readonly deepest: number;
  /** Values, and keys of maps. */
  readonly mostItems: number;
}

/** Bytes that are not one value of CBOR as OCF uses it. The message has none of the bytes. */
export class CborFault extends Error {}

const majorTypes = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;
const longMinor = 27;
const indefinite = 31;
const breakByte = 0xff;
const prototypeKey = Buffer.from('__proto__');

/**
 * Walks over one value and builds nothing, so that hostile bytes cost no more than their own length.
 *
 * Well formed (RFC 8949 §5.1) and valid: text is UTF-8, and keys are text. Strings have a length, arrays and maps may end with a
 * break. There are no tags, and no simple values but false, true, null and undefined.
 */
export class CborScan {
  /** It has integers of 8 bytes, which may be larger than those that are exact in JavaScript. */
  hasLongIntegers = false;
  private position = 0;
  private items = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly limits: CborLimits,
  ) {}

  /** @throws CborFault */
  run(): void {
    if (this.bytes.length === 0) throw new CborFault('it is empty');
    this.value(0);
    const left = this.bytes.length - this.position;
    if (left > 0) throw new CborFault(`${left} bytes follow the value`);
  }

  private value(depth: number): void {
    const head = this.head();
    const major = head >> 5;
    const minor = head & 0x1f;
    switch (major) {
      case majorTypes.unsigned:
      case majorTypes.negative:
        this.hasLongIntegers ||= minor === longMinor;
        this.argument(minor);
        return;
      case majorTypes.bytes:
        this.skip(this.argument(minor));
        return;
      case majorTypes.text:
        this.text(minor);
        return;
      case majorTypes.array:
        this.elements(minor, depth, () => this.value(depth + 1));
        return;
      case majorTypes.map:
        this.elements(minor, depth, () => this.entry(depth + 1));
        return;
      case majorTypes.tag:
        throw new CborFault('it has a tag');
      default:
        this.simple(minor);
    }
  }

  private head(): number {
    this.items += 1;
    if (this.items > this.limits.mostItems) throw new CborFault(`it has more than ${this.limits.mostItems} items`);
    const at = this.skip(1);
    return this.bytes[at] ?? 0;
  }

  /** A number, or a length: in the head, or in the bytes behind it. */
  private argument(minor: number): number {
    if (minor < 24) return minor;
    if (minor > 27) throw new CborFault(minor === indefinite ? 'it has a string in chunks' : 'it has a reserved head');
    const bytes = 1 << (minor - 24);
    const at = this.skip(bytes);
    return bytes === 8 ? Number(this.bytes.readBigUInt64BE(at)) : this.bytes.readUIntBE(at, bytes);
  }

  private elements(minor: number, depth: number, element: () => void): void {
    if (depth >= this.limits.deepest) throw new CborFault(`it is deeper than ${this.limits.deepest} levels`);
    if (minor !== indefinite) {
      // Each element is one byte or more, so a length that is too large ends at the last byte.
      for (let left = this.argument(minor); left > 0; left -= 1) element();
      return;
    }
    while (this.bytes[this.position] !== breakByte) element();
    this.position += 1;
  }

  private entry(depth: number): void {
    const head = this.head();
    if (head >> 5 !== majorTypes.text) throw new CborFault('a key of a map is no text');
    const key = this.text(head & 0x1f);
    if (key.equals(prototypeKey)) throw new CborFault('a key of a map is "__proto__"');
    this.value(depth);
  }

  private text(minor: number): Buffer {
    const length = this.argument(minor);
    const start = this.skip(length);
    const text = this.bytes.subarray(start, start + length);
    if (!isUtf8(text)) throw new CborFault('it has text that is no UTF-8');
    return text;
  }

  /** false, true, null, undefined, and floating point numbers of 2, 4 and 8 bytes. */
  private simple(minor: number): void {
    if (minor >= 20 && minor <= 23) return;
    if (minor < 25 || minor > 27)
      throw new CborFault('it has a simple value other than false, true, null and undefined');
    this.skip(1 << (minor - 24));
  }

  /** Goes on behind the next bytes, and says where they start. */
  private skip(bytes: number): number {
    const start = this.position;
    if (bytes > this.bytes.length - start) throw new CborFault('it ends too early');
    this.position = start + bytes;
    return start;
  }
}
