import { isDeepStrictEqual } from 'node:util';
import { type CloudTable, cloudTypeKey } from './cloud-files.js';
import { type Fault, shownValue } from './faults.js';
import { cloudOf, isTableOfKeys, keyAtPath, type NamedKey, nameOf } from './key-names.js';
import type { Given, Layer } from './layer.js';
import { describeKey } from './schema.js';
import { type SettingsTables, settingsFileNames } from './settings-file.js';
import { isTable, type TomlTable } from './toml.js';

// thin-edge.io notes the version of its own layout here.
const ignoredNames = new Set(['config.version']);

const mostUnknownKeysNamed = 20;

/**
 * Sorts the content of the settings files into settings, warnings about unknown keys, and faults. If a setting is in both
 * files, the file it belongs to counts. If it is only in the other file, it is read from there.
 *
 * As soon as a cloud has a mapper.toml, what tedge.toml says of this cloud does not count, as in thin-edge.io 2.
 */
export function readTables(tables: SettingsTables): Layer {
  const shared = sharedLayer(tables);
  const sallyport = readTable(tables.sallyport, settingsFileNames.sallyport);
  const given = new Map([...shared.given, ...sallyport.given]);
  const warnings = [...shared.warnings, ...sallyport.warnings];
  for (const [name, own] of sallyport.given) {
    const theirs = shared.given.get(name);
    const home = describeKey(own.reference.key).home;
    if (theirs !== undefined) given.set(name, home === 'tedge' ? theirs : own);
    warnings.push(...placeWarnings(own, theirs));
  }
  return { given, warnings, faults: [...shared.faults, ...sallyport.faults], profiles: tables.clouds };
}

/** What the files that thin-edge.io reads too say. */
function sharedLayer({ tedge, clouds }: SettingsTables): Layer {
  const legacy = readTable(tedge, settingsFileNames.tedge);
  const moved = new Set(clouds.map(({ cloud }) => cloud));
  const isMoved = ({ reference }: Given) => moved.has(cloudOf(reference.key) ?? '');
  const ignored = Map.groupBy([...legacy.given.values()].filter(isMoved), ({ reference }) => cloudOf(reference.key));
  const layers = clouds.map(readCloudTable);
  return {
    given: new Map([
      ...[...legacy.given].filter(([, given]) => !isMoved(given)),
      ...layers.flatMap((layer) => [...layer.given]),
    ]),
    warnings: [
      ...legacy.warnings,
      ...[...ignored.keys()].map((cloud) => ignoredWarning(cloud ?? '')),
      ...layers.flatMap((layer) => layer.warnings),
    ],
    faults: [
      ...legacy.faults.filter(({ key }) => !moved.has(cloudOf(`${key}.`) ?? '')),
      ...layers.flatMap((layer) => layer.faults),
    ],
  };
}

function ignoredWarning(cloud: string): string {
  const { tedge } = settingsFileNames;
  return `${tedge}: [${cloud}] is ignored, because the settings of this cloud are in mappers/${cloud}*/mapper.toml. Take [${cloud}] out of ${tedge}.`;
}

/** Keys in a mapper.toml have no name of the cloud in front. */
function readCloudTable({ cloud, profile, name, table }: CloudTable): Layer {
  const { [cloudTypeKey]: type, ...settings } = table;
  const reader = new TableReader(name);
  reader.visit(settings, profile === undefined ? [cloud] : [cloud, 'profiles', profile]);
  const layer = reader.layer();
  // Profiles have files of their own.
  const given = [...layer.given].filter(([, { reference }]) => reference.profile === profile);
  const isOther = type !== undefined && type !== cloud;
  const warning = `${name}: ${cloudTypeKey} is ${shownValue(type)}, but the folder is that of ${cloud}, which counts.`;
  return { ...layer, given: new Map(given), warnings: [...layer.warnings, ...(isOther ? [warning] : [])] };
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
  const [inForce, ignored] = home === 'tedge' ? [shared.where, sallyport] : [sallyport, shared.where];
  return [`${name} is in both settings files. ${inForce} counts, ${ignored} is ignored. ${remedy}`];
}

function readTable(table: TomlTable, fileName: string): Layer {
  const reader = new TableReader(fileName);
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
      this.faults.push(this.fault(name, value, 'is there under another name too; remove one of them'));
    this.given.set(name, { reference: named, source: 'file', where: this.fileName, value });
  }

  private fault(key: string, value: unknown, rule: string): Fault {
    return { key, where: this.fileName, value: shownValue(value), rule };
  }
}
