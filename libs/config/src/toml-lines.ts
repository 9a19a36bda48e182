import { type Pair, type Section, scanToml } from './toml-scanner.js';

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

  /** Line of a key in the `[[name]]` with this index; that of the table when the key is not there. */
  ofKeyIn(name: string, index: number, key: string): number {
    const header = this.headersOf(name)[index];
    const pair = this.pairs.find(({ section, path }) => section === header && path[1] === key);
    return this.lineAt(pair?.keyStart ?? header?.headerEnd ?? 0);
  }

  /** Line of a key or table outside of all `[[tables]]`; 1 when it is not there. */
  ofKey(...path: readonly string[]): number {
    const isMeant = (found: readonly string[]) => path.every((part, at) => found[at] === part);
    const section = this.sections.find((one) => one.path.length > 0 && isMeant(one.path));
    const pair = this.pairs.find((one) => isMeant(one.path));
    return this.lineAt(pair?.keyStart ?? section?.headerEnd ?? 0);
  }

  private headersOf(name: string): Section[] {
    return this.sections.filter(({ path, isRepeated }) => isRepeated && path.length === 1 && path[0] === name);
  }

  private lineAt(offset: number): number {
    return this.text.slice(0, offset).split('\n').length;
  }
}
