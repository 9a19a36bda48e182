import { isDeepStrictEqual } from 'node:util';
import { keyAtPath } from './key-names.js';
import { describeKey } from './schema.js';
import { type HomeTexts, settingsFileNames } from './settings-file.js';
import { leavesOf, parseToml, type TomlTable } from './toml.js';
import { editToml } from './toml-editor.js';
import { moveToml } from './toml-mover.js';

/**
 * Moves everything that thin-edge.io does not know out of its file, because thin-edge.io would drop it. If sallyport.toml has
 * another value for a key, both stay, and a person must decide.
 *
 * @throws Problem `config-invalid`: a file is not valid TOML, or sallyport.toml has no room for a setting.
 */
export function splitSettings(texts: HomeTexts): HomeTexts {
  const { tedge: name, sallyport: ownName } = settingsFileNames;
  const tables = { tedge: parseToml(texts.tedge, name), sallyport: parseToml(texts.sallyport, ownName) };
  const own = ownLeaves(tables.tedge);
  if (own.length === 0) return texts;
  const kept = leavesOf(tables.sallyport);
  const copyOf = (path: readonly string[]) => kept.find((leaf) => isDeepStrictEqual(leaf.path, path));
  const copied = own.filter(({ path, value }) => isDeepStrictEqual(copyOf(path)?.value, value));
  const movable = own.filter(({ path }) => copyOf(path) === undefined);
  const [tedge, sallyport] = moveToml(
    { name, text: texts.tedge },
    { name: ownName, text: texts.sallyport },
    movable.map(({ path }) => path),
  );
  const emptied = copied.reduce((text, { path }) => editToml(text, { path, value: undefined, name }), tedge);
  return { tedge: emptied, sallyport };
}

function ownLeaves(table: TomlTable) {
  return leavesOf(table).filter(({ path }) => {
    const named = keyAtPath(path);
    return named !== undefined && describeKey(named.key).home === 'sallyport';
  });
}
