import { isDeepStrictEqual } from 'node:util';
import { type Pair, type Section, scanToml } from './toml-scanner.js';

/** A key in the `[[name]]` with this index. */
export interface TableKey {
  readonly name: string;
  readonly index: number;
  readonly key: string;
}

/** Finds the lines of `[[tables]]`, keys and values of a TOML file, for messages about them. */
export class TomlLines {
  private readonly text: string;
  private readonly sections: readonly Section[];
  private readonly pairs: readonly Pair[];

  /** @param text valid TOML: the parser has accepted it before */
  constructor(text: string) {
    this.text = text;
    const { sections, pairs } = scanToml(text);
    this.sections = sections;
    this.pairs = pairs;
  }

  /** How many `[[name]]` there are. */
  countOf(name: string): number {
    return this.headersOf(name).length;
  }

  /** Line of the `[[name]]` with this index, from 1. */
  ofHeader(name: string, index: number): number {
    return this.lineAt(this.headersOf(name)[index]?.headerEnd ?? 0);
  }

  /** Line of a key in a `[[table]]`; that of the table when the key is not there. */
  ofKeyIn({ name, index, key }: TableKey): number {
    const pair = this.pairIn({ name, index, key });
    return pair === undefined ? this.ofHeader(name, index) : this.lineAt(pair.keyStart);
  }

  /** Line of an item in the list of a key, which may go over several lines. */
  ofItemIn(place: TableKey, item: string): number {
    const pair = this.pairIn(place);
    if (pair === undefined) return this.ofKeyIn(place);
    const at = this.text.slice(pair.valueStart, pair.valueEnd).indexOf(item);
    return this.lineAt(pair.valueStart + Math.max(at, 0));
  }

  /** Line of a table with this name, or of a key outside of all tables; 1 when there is neither. */
  ofKey(key: string): number {
    const section = this.sections.find(({ path }) => path[0] === key);
    const pair = this.pairs.find(({ path }) => path[0] === key);
    return this.lineAt(section?.headerEnd ?? pair?.keyStart ?? 0);
  }

  /** Line of the table or the key at a path, however it is written; undefined when the file has neither. */
  ofPath(path: readonly string[]): number | undefined {
    const pair = this.pairs.find((one) => isDeepStrictEqual(one.path, path));
    const section = this.sections.find((one) => one.path.length > 0 && isDeepStrictEqual(one.path, path));
    const at = pair?.keyStart ?? section?.headerEnd;
    return at === undefined ? undefined : this.lineAt(at);
  }

  private pairIn({ name, index, key }: TableKey): Pair | undefined {
    const header = this.headersOf(name)[index];
    return this.pairs.find(({ section, path }) => section === header && path[1] === key);
  }

  private headersOf(name: string): Section[] {
    return this.sections.filter(({ path, isRepeated }) => isRepeated && path.length === 1 && path[0] === name);
  }

  private lineAt(offset: number): number {
    return this.text.slice(0, offset).split('\n').length;
  }
}
