import { parseToml, TomlLines, type TomlTable } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';

/** A parsed TOML file that knows in which line a key or a table is. */
export interface TomlFile {
  readonly table: TomlTable;
  /** `/etc/tedge/mappers/x/mapper.toml:7` for a key or a table, or the path alone where the file has none. */
  placeOf(path: readonly string[]): string;
}

/**
 * Parses a TOML file.
 *
 * @throws Problem `config-invalid`: it is not valid TOML; the text names file, line and column, and quotes no value
 */
export function parseTomlFile(text: string, path: string): TomlFile {
  const table = parseToml(text, path);
  return {
    table,
    placeOf: (key) => {
      const line = new TomlLines(text).ofPath(key);
      return line === undefined ? path : `${path}:${line}`;
    },
  };
}

/** A fault in a file: where, and what the value must be. */
export function fileFault(place: string, what: string): Problem {
  return new Problem('config-invalid', `${place}: ${what}`);
}
