import { Problem } from '@sallyport/protocol';
import { type Environment, readEnvironment } from './environment.js';
import { type Fault, shownValue } from './faults.js';
import { cloudOf, isProfiled, type KeyReference, nameOf } from './key-names.js';
import type { Given, Layer, Source } from './layer.js';
import { configKeys, configSchema, describeKey, isConfigKey } from './schema.js';
import { isDerived } from './setting.js';
import type { SettingsTables } from './settings-file.js';
import { readTables } from './settings-table.js';

/** The directory of a packaged installation. */
export const systemConfigDirectory = '/etc/tedge';

/** Everything settings are read from. */
export interface SettingSources {
  readonly tables: SettingsTables;
  readonly env: Environment;
  readonly cwd: string;
  readonly configDirectory: string;
  readonly isRunWritable: boolean;
  /** Flags of a service. They have priority over all other sources. */
  readonly flags?: Layer;
}

/** A value and where it came from; undefined for a key that is unset and has no default. */
export interface Resolved {
  readonly value: unknown;
  readonly source: Source;
}

/** All sources combined. Flags have priority, then the environment, then the files, then the defaults. */
export class Resolution {
  readonly warnings: readonly string[];
  readonly faults: readonly Fault[];
  private readonly layers: readonly Layer[];
  private readonly sources: SettingSources;
  private readonly shapeFaults: readonly Fault[];

  constructor(sources: SettingSources) {
    this.sources = sources;
    const layers = [readEnvironment(sources.env, sources.cwd), readTables(sources.tables)];
    this.layers = sources.flags === undefined ? layers : [sources.flags, ...layers];
    this.warnings = this.layers.flatMap((layer) => layer.warnings);
    this.shapeFaults = this.layers.flatMap((layer) => layer.faults);
    this.faults = [...this.shapeFaults, ...this.references.flatMap((reference) => this.valueFaultsOf(reference))];
  }

  /** The value of a key as stored, its default included. */
  resolve(reference: KeyReference): Resolved {
    const given = this.given(reference);
    if (given?.value !== undefined) return { value: given.value, source: given.source };
    return { value: this.defaultOf(reference), source: 'default' };
  }

  /** What is wrong with the value of one key. No service starts with such a value. Defaults are never wrong. */
  faultsOf(reference: KeyReference): Fault[] {
    const name = nameOf(reference);
    const shapeFaults = this.shapeFaults.filter(({ key }) => key === name);
    return shapeFaults.length > 0 ? shapeFaults : this.valueFaultsOf(reference);
  }

  private valueFaultsOf(reference: KeyReference): Fault[] {
    const given = this.given(reference);
    if (given?.value === undefined) return [];
    const outcome = configSchema.shape[reference.key].safeParse(given.value);
    if (outcome.success) return [];
    const rule = outcome.error.issues[0]?.message ?? `must be ${describeKey(reference.key).type.rule}`;
    return [{ key: nameOf(reference), where: given.where, value: shownValue(given.value), rule }];
  }

  /** Names of the profiles of a cloud somebody gave a value for, sorted. */
  profilesOf(cloud: string): string[] {
    const given = this.layers.flatMap((layer) => [...layer.given.values()].map(({ reference }) => reference));
    const named = given.flatMap(({ key, profile }) => (cloudOf(key) === cloud ? (profile ?? []) : []));
    const present = this.layers.flatMap(({ profiles = [] }) => profiles);
    const empty = present.flatMap((place) => (place.cloud === cloud ? (place.profile ?? []) : []));
    return [...new Set([...named, ...empty])].toSorted();
  }

  /** Throws Problem `not-found` for a profile nobody gave a value for; the message lists the others. */
  requireProfile(profile: string, cloud: string): void {
    const profiles = this.profilesOf(cloud);
    if (profiles.includes(profile)) return;
    const known = profiles.length === 0 ? 'There are none yet.' : `There are: ${profiles.join(', ')}.`;
    throw new Problem(
      'not-found',
      `There is no profile "${profile}". ${known} Make it by setting one of its keys: tedge config set ${cloud}.url HOST --profile ${profile}`,
    );
  }

  /** Every key, then every key of every profile. */
  get references(): KeyReference[] {
    const keys = Map.groupBy(configKeys.filter(isProfiled), (key) => cloudOf(key) ?? '');
    const profiled = [...keys].flatMap(([cloud, own]) =>
      this.profilesOf(cloud).flatMap((profile) => own.map((key) => ({ key, profile }))),
    );
    return [...configKeys.map((key) => ({ key })), ...profiled];
  }

  // An empty environment variable hides what the file says, so the first layer with an entry decides.
  private given(reference: KeyReference): Given | undefined {
    const name = nameOf(reference);
    return this.layers.map((layer) => layer.given.get(name)).find((given) => given !== undefined);
  }

  private defaultOf(reference: KeyReference): unknown {
    const standard = describeKey(reference.key).default;
    if (!isDerived(standard)) return standard;
    const { configDirectory, isRunWritable } = this.sources;
    const isSystemDirectory = configDirectory === systemConfigDirectory;
    const value = (name: string) => this.resolve(siblingOf(reference, name)).value;
    return standard.from({ configDirectory, isSystemDirectory, isRunWritable, value });
  }
}

/** Another key, of the same profile if it has profiles. */
function siblingOf(reference: KeyReference, name: string): KeyReference {
  if (!isConfigKey(name)) throw new Error(`a default is derived from ${name}, which is no setting`);
  return isProfiled(name) ? { ...reference, key: name } : { key: name };
}
