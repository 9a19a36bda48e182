import type { EntityJson } from '@sallyport/protocol';

// As deep as thin-edge.io reads. It bounds the stack of those that read the value after us.
const deepest = 128;

/** JSON that could not be read. Its message is that of thin-edge.io, to the letter: clients compare it. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
}

/** A JSON text that was read, and the positions in it that messages name. */
export interface JsonText {
  readonly value: EntityJson;
  /** Position behind the value. */
  readonly end: string;
  /** Positions behind the keys of an object, by key. */
  readonly keyEnds: ReadonlyMap<string, string>;
}

/**
 * Reads JSON (RFC 8259).
 *
 * @throws JsonFault: what is wrong, with line, and column in bytes
 */
export function readJson(text: string): JsonText {
  const scanner = new JsonScanner(text);
  scanner.scan();
  const value: EntityJson = JSON.parse(text);
  return { value, end: scanner.valueEnd, keyEnds: scanner.keyEnds };
}

/** What a value is, in the words of thin-edge.io. */
export function describeJson(value: EntityJson): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'sequence';
  switch (typeof value) {
    case 'boolean':
      return `boolean \`${value}\``;
    case 'number':
      return `${Number.isInteger(value) ? 'integer' : 'floating point'} \`${value}\``;
    case 'string':
      return `string ${JSON.stringify(value)}`;
    default:
      return 'map';
  }
}

const space = /[ \t\n\r]*/y;
const plainCharacters = /[^"\\\p{Cc}]*/uy;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

/** Goes once over a JSON text and stops at the first fault. */
class JsonScanner {
  readonly keyEnds = new Map<string, string>();
  valueEnd = '';
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  scan(): void {
    this.value();
    this.valueEnd = this.position(this.at);
    this.skip(space);
    if (this.at < this.text.length) throw this.fault('trailing characters');
  }

  private value(): void {
    this.skip(space);
    const first = this.text[this.at];
    if (first === undefined) throw this.ended('a value');
    if (first === '{') this.nested(() => this.object());
    else if (first === '[') this.nested(() => this.array());
    else if (first === '"') this.string();
    else if (/[-0-9]/.test(first)) this.number();
    else this.word(first);
  }

  private nested(read: () => void): void {
    this.depth += 1;
    if (this.depth >= deepest) throw this.fault('recursion limit exceeded');
    this.at += 1;
    read();
    this.depth -= 1;
  }

  private object(): void {
    for (let isFirst = true; !this.closes('}', isFirst, 'an object'); isFirst = false) {
      if (this.text[this.at] !== '"') throw this.fault('key must be a string');
      const start = this.at;
      this.string();
      if (this.depth === 1) this.noteKey(start);
      this.skip(space);
      if (this.at >= this.text.length) throw this.ended('an object');
      if (this.text[this.at] !== ':') throw this.fault('expected `:`');
      this.at += 1;
      this.value();
    }
  }

  private array(): void {
    for (let isFirst = true; !this.closes(']', isFirst, 'a list'); isFirst = false) this.value();
  }

  /** Whether the object or list ends here; otherwise the next member begins here. */
  private closes(end: '}' | ']', isFirst: boolean, what: string): boolean {
    this.skip(space);
    const next = this.text[this.at];
    if (next === undefined) throw this.ended(what);
    if (next === end) {
      this.at += 1;
      return true;
    }
    if (isFirst) return false;
    if (next !== ',') throw this.fault(`expected \`,\` or \`${end}\``);
    this.at += 1;
    this.skip(space);
    if (this.text[this.at] === end) throw this.fault('trailing comma');
    if (this.at >= this.text.length) throw this.ended('a value');
    return false;
  }

  private string(): void {
    this.at += 1;
    for (;;) {
      this.skip(plainCharacters);
      const next = this.text[this.at];
      if (next === undefined) throw this.ended('a string');
      if (next === '"') break;
      if (next === '\\') this.escape();
      // JSON allows the other control characters that `\p{Cc}` stops at.
      else if (next >= ' ') this.at += 1;
      else throw this.fault('control character (\\u0000-\\u001F) found while parsing a string');
    }
    this.at += 1;
  }

  private escape(): void {
    if (!this.skip(escapeSequence)) throw this.fault('invalid escape');
  }

  private number(): void {
    if (!this.skip(number)) throw this.fault('invalid number');
  }

  private word(first: string): void {
    const word = { t: 'true', f: 'false', n: 'null' }[first];
    if (word === undefined) throw this.fault('expected value');
    if (!this.text.startsWith(word, this.at)) throw this.fault('expected ident');
    this.at += word.length;
  }

  private noteKey(start: number): void {
    const key: unknown = JSON.parse(this.text.slice(start, this.at));
    if (typeof key === 'string') this.keyEnds.set(key, this.position(this.at));
  }

  /** @returns whether it moved on */
  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const [found = ''] = pattern.exec(this.text) ?? [];
    this.at += found.length;
    return found !== '';
  }

  /** A fault of the character here. */
  private fault(message: string): JsonFault {
    return new JsonFault(`${message}${this.position(this.at + 1)}`);
  }

  private ended(what: string): JsonFault {
    return new JsonFault(`EOF while parsing ${what}${this.position(this.at)}`);
  }

  private position(end: number): string {
    const before = this.text.slice(0, end);
    const lines = before.split('\n');
    return ` at line ${lines.length} column ${Buffer.byteLength(lines.at(-1) ?? '')}`;
  }
}
