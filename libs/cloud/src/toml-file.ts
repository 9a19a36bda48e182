import { parseToml, type TomlTable } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';

/** A parsed TOML file that knows in which line a key is. */
export interface TomlFile {
  readonly table: TomlTable;
  /** `/etc/tedge/mappers/x/mapper.toml:7` for a key, or the path alone where the key is not found. */
  placeOf(path: readonly string[]): string;
}

/**
 * Parses a TOML file.
 *
 * @throws Problem `config-invalid`: it is not valid TOML; the text names file, line and column, and quotes no value
 */
export function parseTomlFile(text: string, path: string): TomlFile {
  const table = parseToml(text, path);
  return { table, placeOf: (key) => place(text, path, key) };
}

function place(text: string, path: string, key: readonly string[]): string {
  const line = lineOf(text, key);
  return line === undefined ? path : `${path}:${line}`;
}

/** The line of a key, counted from 1: in its table, or written with dots. */
function lineOf(text: string, key: readonly string[]): number | undefined {
  let table: readonly string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const [, header] = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line) ?? [];
    const [, name] = /^\s*([\w."' -]+?)\s*=/.exec(line) ?? [];
    if (header !== undefined) table = partsOf(header);
    else if (name !== undefined && isSame([...table, ...partsOf(name)], key)) return index + 1;
  }
  return undefined;
}

function partsOf(name: string): string[] {
  return name.split('.').map((part) => part.trim().replace(/^["']|["']$/g, ''));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}

/** A fault in a file: where, and what the value must be. */
export function fileFault(place: string, what: string): Problem {
  return new Problem('config-invalid', `${place}: ${what}`);
}
