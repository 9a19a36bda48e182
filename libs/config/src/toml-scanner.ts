import { parse } from 'smol-toml';
import { isTable } from './toml.js';

/** A `[table]` header and the lines below it; the first section is what stands above all headers. */
export interface Section {
  readonly path: readonly string[];
  /** Offset just behind the header, on its line; 0 for the first section. */
  readonly headerEnd: number;
  /** True inside `[[array of tables]]`, where a path names many values. */
  readonly isRepeated: boolean;
}

/** A `key = value` with the offsets of its parts; `path` is absolute. */
export interface Pair {
  readonly path: readonly string[];
  readonly section: Section;
  readonly keyStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** The `{ inline table }` the pair stands in. */
  readonly container?: Pair;
}

/**
 * Finds where the keys and values of a TOML document stand.
 *
 * @param text valid TOML: the parser has accepted it before.
 */
export function scanToml(text: string): { sections: Section[]; pairs: Pair[] } {
  return new TomlScanner(text).scan();
}

class TomlScanner {
  private readonly text: string;
  private readonly sections: Section[] = [{ path: [], headerEnd: 0, isRepeated: false }];
  private readonly repeatedTables = new Set<string>();
  private readonly pairs: Pair[] = [];
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  scan(): { sections: Section[]; pairs: Pair[] } {
    let section: Section | undefined = this.sections[0];
    for (this.skipBlanks(); section !== undefined && this.at < this.text.length; this.skipBlanks()) {
      if (this.text[this.at] === '[') section = this.scanHeader();
      else this.scanPair(section);
    }
    return { sections: this.sections, pairs: this.pairs };
  }

  private scanHeader(): Section {
    const isArray = this.text.startsWith('[[', this.at);
    this.at += isArray ? 2 : 1;
    const path = this.scanKey(']');
    this.at += isArray ? 2 : 1;
    if (isArray) this.repeatedTables.add(JSON.stringify(path));
    const isRepeated = path.some((_, index) => this.repeatedTables.has(JSON.stringify(path.slice(0, index + 1))));
    const section = { path, headerEnd: this.at, isRepeated };
    this.sections.push(section);
    return section;
  }

  private scanPair(section: Section, container?: Pair): void {
    const keyStart = this.at;
    const path = [...(container?.path ?? section.path), ...this.scanKey('=')];
    this.at += 1;
    this.skipBlanks();
    const valueStart = this.at;
    this.skipValue();
    const inside = container === undefined ? {} : { container };
    const pair = { path, section, keyStart, valueStart, valueEnd: this.at, ...inside };
    this.pairs.push(pair);
    if (this.text[valueStart] === '{') this.scanInlineTable(pair);
  }

  private scanInlineTable(table: Pair): void {
    this.at = table.valueStart + 1;
    for (this.skipBlanks(','); this.at < table.valueEnd - 1; this.skipBlanks(',')) {
      this.scanPair(table.section, table);
    }
    this.at = table.valueEnd;
  }

  /** Reads a possibly dotted, possibly quoted key and stops at the character that ends it. */
  private scanKey(end: '=' | ']'): string[] {
    const start = this.at;
    while (this.at < this.text.length && this.text[this.at] !== end) {
      if (/["']/.test(this.text[this.at] ?? '')) this.skipString();
      else this.at += 1;
    }
    return keyParts(this.text.slice(start, this.at).trim());
  }

  private skipValue(): void {
    const first = this.text[this.at] ?? '';
    if (/["']/.test(first)) this.skipString();
    else if (/[[{]/.test(first)) this.skipBrackets();
    else this.skipBareValue();
  }

  private skipBareValue(): void {
    const bare = /[^,\]}#\r\n]*/y;
    bare.lastIndex = this.at;
    this.at += bare.exec(this.text)?.[0].trimEnd().length ?? 0;
  }

  private skipBrackets(): void {
    let depth = 0;
    do {
      const character = this.text[this.at] ?? '';
      if (/["']/.test(character)) this.skipString();
      else if (character === '#') this.skipBlanks();
      else {
        if (/[[{]/.test(character)) depth += 1;
        if (/[\]}]/.test(character)) depth -= 1;
        this.at += 1;
      }
    } while (depth > 0 && this.at < this.text.length);
  }

  private skipString(): void {
    const quote = this.text[this.at] ?? '';
    const fence = this.text.startsWith(quote.repeat(3), this.at) ? quote.repeat(3) : quote;
    this.at += fence.length;
    while (this.at < this.text.length && !this.text.startsWith(fence, this.at)) {
      // Only basic strings have escapes (TOML 1.0 "String").
      this.at += quote === '"' && this.text[this.at] === '\\' ? 2 : 1;
    }
    this.at += fence.length;
    // A multi-line string may end in one or two quotes of its own before the fence.
    for (let extra = 0; fence.length === 3 && extra < 2 && this.text[this.at] === quote; extra += 1) this.at += 1;
  }

  private skipBlanks(separator = ''): void {
    for (; this.at < this.text.length; this.at += 1) {
      const character = this.text[this.at] ?? '';
      if (character === '#') this.at = lineEnd(this.text, this.at) - 1;
      else if (!/[\s\uFEFF]/.test(character) && character !== separator) return;
    }
  }
}

/** Offset just behind the line break that ends a line, or the end of the text. */
export function lineEnd(text: string, offset: number): number {
  const lineBreak = text.indexOf('\n', offset);
  return lineBreak === -1 ? text.length : lineBreak + 1;
}

function keyParts(key: string): string[] {
  if (!/["']/.test(key)) return key.split('.').map((part) => part.trim());
  const parts: string[] = [];
  for (let value: unknown = parse(`${key} = 0`); isTable(value); value = Object.values(value)[0]) {
    parts.push(...Object.keys(value));
  }
  return parts;
}
