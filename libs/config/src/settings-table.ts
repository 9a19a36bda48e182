import { type Fault, shownValue } from './faults.js';
import { isTableOfKeys, keyAtPath, type NamedKey, nameOf } from './key-names.js';
import type { Given, Layer } from './layer.js';
import { settingsFileName } from './settings-file.js';
import { isTable, type TomlTable } from './toml.js';

// thin-edge.io notes the version of its own layout here.
const ignoredNames = new Set(['config.version']);

const mostUnknownKeysNamed = 20;

/** Sorts what a parsed tedge.toml holds into settings, warnings about what nobody knows, and faults. */
export function readTable(table: TomlTable): Layer {
  const reader = new TableReader();
  reader.visit(table, []);
  return reader.layer();
}

class TableReader {
  readonly #given = new Map<string, Given>();
  readonly #deprecated: string[] = [];
  readonly #unknown: string[] = [];
  readonly #faults: Fault[] = [];

  visit(table: TomlTable, parents: readonly string[]): void {
    for (const [part, value] of Object.entries(table)) {
      const path = [...parents, part];
      const named = keyAtPath(path);
      if (named !== undefined) this.#take(named, value);
      else if (isTable(value)) this.visit(value, path);
      else if (isTableOfKeys(path)) this.#faults.push(notATable(path.join('.'), value));
      else if (!ignoredNames.has(path.join('.'))) this.#unknown.push(path.join('.'));
    }
  }

  layer(): Layer {
    const named = this.#unknown.slice(0, mostUnknownKeysNamed).map((name) => `${name} is no setting and is ignored`);
    const rest = this.#unknown.length - named.length;
    const unknown = rest > 0 ? [...named, `${rest} more keys are no settings and are ignored`] : named;
    const warnings = [...this.#deprecated, ...unknown].map((text) => `${settingsFileName}: ${text}.`);
    return { given: this.#given, warnings, faults: this.#faults };
  }

  #take(named: NamedKey, value: unknown): void {
    const name = nameOf(named);
    const { deprecatedName } = named;
    if (deprecatedName !== undefined) this.#deprecated.push(`${deprecatedName} is deprecated, use ${name}`);
    if (this.#given.has(name)) this.#faults.push(givenTwice(name, value));
    this.#given.set(name, { reference: named, source: 'file', where: settingsFileName, value });
  }
}

function givenTwice(name: string, value: unknown): Fault {
  const rule = 'is there under its old name too; remove one of them';
  return { key: name, where: settingsFileName, value: shownValue(value), rule };
}

function notATable(name: string, value: unknown): Fault {
  return { key: name, where: settingsFileName, value: shownValue(value), rule: 'must be a table of settings' };
}
