import { Problem } from '@sallyport/protocol';
import { parse, TomlError } from 'smol-toml';

/** A TOML table; it has no prototype, so no key of it can reach JavaScript's own. */
export type TomlTable = Readonly<Record<string, unknown>>;

/** Deepest nesting a settings file may have; the deepest key of the schema has five levels. */
const deepestNesting = 32;

/** True for a table; false for arrays, dates and single values. */
export function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * Parses TOML strictly.
 *
 * @param name what to call the text in errors: `tedge.toml` or the name of an environment variable.
 * @throws Problem `config-invalid`: a syntax error with its line and column, nesting below 32 levels, or a key that
 *   could reach a JavaScript prototype.
 */
export function parseToml(text: string, name: string): TomlTable {
  const table = parseOrRefuse(text, name);
  if (nestingOf(table) <= deepestNesting) return table;
  throw new Problem('config-invalid', `${name} nests tables deeper than ${deepestNesting} levels. Remove the nesting.`);
}

function parseOrRefuse(text: string, name: string): TomlTable {
  try {
    return parse(text, { integersAsBigInt: 'asNeeded', unsafeKeyBehaviour: 'throw', maxDepth: deepestNesting });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line says what is wrong; the lines below quote the file, which may hold secrets.
    const reason = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    const place = `line ${error.line}, column ${error.column}`;
    throw new Problem('config-invalid', `${name} is not valid TOML at ${place}: ${reason}. Correct that line.`);
  }
}

// Without recursion: dotted keys can nest as deep as the file is long.
function nestingOf(table: TomlTable): number {
  let deepest = 0;
  const pending: { table: TomlTable; depth: number }[] = [{ table, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const depth = next.depth + 1;
    deepest = Math.max(deepest, next.depth);
    pending.push(
      ...Object.values(next.table)
        .filter(isTable)
        .map((inner) => ({ table: inner, depth })),
    );
    if (deepest > deepestNesting) return deepest;
  }
  return deepest;
}

/** Every single value of a table with its path, in file order; tables without values leave no trace. */
export function leavesOf(table: TomlTable): { path: readonly string[]; value: unknown }[] {
  const found: { path: readonly string[]; value: unknown }[] = [];
  const visit = (inner: TomlTable, path: readonly string[]) => {
    for (const [key, value] of Object.entries(inner)) {
      if (isTable(value)) visit(value, [...path, key]);
      else found.push({ path: [...path, key], value });
    }
  };
  visit(table, []);
  return found;
}
