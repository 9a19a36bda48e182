import { isDeepStrictEqual } from 'node:util';
import { type Fault, shownValue } from './faults.js';
import { isTableOfKeys, keyAtPath, type NamedKey, nameOf } from './key-names.js';
import type { Given, Layer } from './layer.js';
import { describeKey } from './schema.js';
import type { SettingsHome } from './setting.js';
import { type SettingsTables, settingsFileNames } from './settings-file.js';
import { isTable, type TomlTable } from './toml.js';

// thin-edge.io notes the version of its own layout here.
const ignoredNames = new Set(['config.version']);

const mostUnknownKeysNamed = 20;

/**
 * Sorts the content of the settings files into settings, warnings about unknown keys, and faults. If a setting is in both
 * files, the file it belongs to counts. If it is only in the other file, it is read from there.
 */
export function readTables(tables: SettingsTables): Layer {
  const tedge = readTable(tables.tedge, 'tedge');
  const sallyport = readTable(tables.sallyport, 'sallyport');
  const given = new Map([...tedge.given, ...sallyport.given]);
  const warnings = [...tedge.warnings, ...sallyport.warnings];
  for (const [name, own] of sallyport.given) {
    const shared = tedge.given.get(name);
    const home = describeKey(own.reference.key).home;
    if (shared !== undefined) given.set(name, home === 'tedge' ? shared : own);
    warnings.push(...placeWarnings(own, shared));
  }
  return { given, warnings, faults: [...tedge.faults, ...sallyport.faults] };
}

/** What a person should know about a setting in sallyport.toml. */
function placeWarnings({ reference, value }: Given, shared: Given | undefined): string[] {
  const [name, home] = [nameOf(reference), describeKey(reference.key).home];
  const { tedge, sallyport } = settingsFileNames;
  const remedy = `Run: sallyport config set ${name} VALUE`;
  if (shared === undefined)
    return home === 'tedge'
      ? [`${sallyport}: ${name} belongs into ${tedge}, which thin-edge.io reads too. ${remedy}`]
      : [];
  if (isDeepStrictEqual(value, shared.value)) return [];
  const [inForce, ignored] = home === 'tedge' ? [tedge, sallyport] : [sallyport, tedge];
  return [`${name} is in both settings files. ${inForce} counts, ${ignored} is ignored. ${remedy}`];
}

function readTable(table: TomlTable, home: SettingsHome): Layer {
  const reader = new TableReader(settingsFileNames[home]);
  reader.visit(table, []);
  return reader.layer();
}

class TableReader {
  private readonly given = new Map<string, Given>();
  private readonly deprecated: string[] = [];
  private readonly unknown: string[] = [];
  private readonly faults: Fault[] = [];
  private readonly fileName: string;

  constructor(fileName: string) {
    this.fileName = fileName;
  }

  visit(table: TomlTable, parents: readonly string[]): void {
    for (const [part, value] of Object.entries(table)) {
      const path = [...parents, part];
      const named = keyAtPath(path);
      if (named !== undefined) this.take(named, value);
      else if (isTable(value)) this.visit(value, path);
      else if (isTableOfKeys(path)) this.faults.push(this.fault(path.join('.'), value, 'must be a table of settings'));
      else if (!ignoredNames.has(path.join('.'))) this.unknown.push(path.join('.'));
    }
  }

  layer(): Layer {
    const warnings = [...this.deprecated, ...this.unknownNames()].map((text) => `${this.fileName}: ${text}.`);
    return { given: this.given, warnings, faults: this.faults };
  }

  private unknownNames(): string[] {
    const named = this.unknown.slice(0, mostUnknownKeysNamed).map((name) => `${name} is no setting and is ignored`);
    const rest = this.unknown.length - named.length;
    return rest > 0 ? [...named, `${rest} more keys are no settings and are ignored`] : named;
  }

  private take(named: NamedKey, value: unknown): void {
    const name = nameOf(named);
    const { deprecatedName } = named;
    if (deprecatedName !== undefined) this.deprecated.push(`${deprecatedName} is deprecated, use ${name}`);
    if (this.given.has(name) && describeKey(named.key).isRead)
      this.faults.push(this.fault(name, value, 'is there under its old name too; remove one of them'));
    this.given.set(name, { reference: named, source: 'file', where: this.fileName, value });
  }

  private fault(key: string, value: unknown, rule: string): Fault {
    return { key, where: this.fileName, value: shownValue(value), rule };
  }
}
