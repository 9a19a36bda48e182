import { isDeepStrictEqual } from 'node:util';
import { isWritableDirectory } from './config-directory.js';
import { deviceIdInForce } from './device-ids.js';
import type { Environment } from './environment.js';
import { problemOf, shownValue } from './faults.js';
import { cloudOf, type KeyReference, nameOf } from './key-names.js';
import { Resolution } from './resolution.js';
import { describeKey, typedSchemaOf } from './schema.js';
import type { DeviceIdReader } from './settings.js';
import { parseSettings, readSettingsTexts, type SettingsTexts } from './settings-file.js';
import { changeSettings, type SettingChange } from './settings-writer.js';
import type { StoredValue } from './value-type.js';

/** Where the settings files are, and what affects how they are read. */
export interface ConfigFileOptions {
  /** The configuration directory, absolute; made when it does not exist and something is written. */
  readonly directory: string;
  readonly env: Environment;
  /** Relative paths typed as values are resolved against it. */
  readonly cwd: string;
  /** Finds the device id in the device certificate, for when nobody set `device.id`. */
  readonly readDeviceId?: DeviceIdReader;
  /** Milliseconds to wait for another process that changes the file. */
  readonly lockWaitMs?: number;
}

/** A setting as printed; `value` is undefined when it is unset. */
export interface Reading {
  readonly name: string;
  readonly reference: KeyReference;
  readonly value: string | undefined;
}

/** What a setting is to become: a value as typed, or unset. */
export interface WantedSetting {
  readonly reference: KeyReference;
  readonly text: string | undefined;
}

/**
 * The settings as a person reads and changes them, one at a time, or several that only work together.
 *
 * A read combines both files with the environment. A change uses the files only. It goes to the file of the key:
 * sallyport.toml for keys that thin-edge.io does not know, otherwise tedge.toml, which thin-edge.io writes too. A change
 * keeps every comment, the order and the unknown keys. It writes a file completely or not at all, and waits for other
 * processes that change it. The first change moves keys that are in the wrong file, and saves a copy of the old tedge.toml.
 *
 * Every method throws Problem `config-invalid` when a file cannot be read or is not valid TOML; every change throws
 * Problem `unavailable` when another process keeps the files locked, `forbidden` or `storage-full` when one cannot be
 * written. The files are then as they were before.
 */
export class ConfigFile {
  private readonly options: ConfigFileOptions;

  constructor(options: ConfigFileOptions) {
    this.options = options;
  }

  /**
   * The value in force for one key, and what a person should know about the configuration.
   *
   * @throws Problem `config-invalid`: the value breaks the rule of its key.
   * @throws Problem `not-found`: nothing is configured for the profile.
   */
  async get(reference: KeyReference): Promise<{ value: string | undefined; warnings: readonly string[] }> {
    const view = await this.view(this.options.env);
    if (reference.profile !== undefined) view.requireProfile(reference.profile, cloudOf(reference.key) ?? '');
    const faults = view.faultsOf(reference);
    if (faults.length > 0) throw problemOf(faults);
    return { value: await this.printed(view, reference), warnings: view.warnings };
  }

  /**
   * Every setting with the value in force, those of profiles included, in the order of the documentation.
   *
   * @throws Problem `config-invalid`: all values that break the rule of their key.
   */
  async list(): Promise<{ readings: Reading[]; warnings: readonly string[] }> {
    const view = await this.view(this.options.env);
    if (view.faults.length > 0) throw problemOf(view.faults);
    const readings = view.references.map(async (reference) => {
      return { name: nameOf(reference), reference, value: await this.printed(view, reference) };
    });
    return { readings: await Promise.all(readings), warnings: view.warnings };
  }

  /**
   * Gives a key a value. Other settings of the file may be wrong, so that a person can correct them one by one.
   *
   * @throws Problem `config-invalid`: the value breaks the rule of the key.
   */
  async set(reference: KeyReference, text: string): Promise<void> {
    await this.exchange([{ reference, text }]);
  }

  /** Takes a key out of the file; does nothing when it is not there. */
  async unset(reference: KeyReference): Promise<void> {
    await this.exchange([{ reference, text: undefined }]);
  }

  /**
   * Changes several keys together, with one write to each file: a reader finds all of the keys of a file changed, or none.
   *
   * @returns what the file said before about those that changed, to be handed back in for taking it all back.
   * @throws Problem `config-invalid`: a value breaks the rule of its key; nothing was changed.
   */
  async exchange(wanted: readonly WantedSetting[]): Promise<WantedSetting[]> {
    const changes = wanted.map(({ reference, text }): SettingChange => {
      return { reference, value: text === undefined ? undefined : this.storedValue(reference, text) };
    });
    const former: WantedSetting[] = [];
    await this.change((view) => {
      const changing = changes.filter(
        ({ reference, value }) => !isDeepStrictEqual(writtenValue(view, reference), value),
      );
      former.push(
        ...changing.map(({ reference }) => ({ reference, text: printedValue(writtenValue(view, reference)) })),
      );
      // All of them: an old name of a key is removed even if its value does not change.
      return changes;
    });
    return former;
  }

  /**
   * Adds items to a list, which is kept sorted and without repetitions; starts from the default when the file does not
   * set the list. Sets a key that is no list.
   *
   * @throws Problem `config-invalid`: an item breaks the rule of the key, or what the file has is no list.
   */
  async add(reference: KeyReference, text: string): Promise<void> {
    if (!isList(reference)) return this.set(reference, text);
    const added = textsIn(this.storedValue(reference, text));
    await this.change((view) => [{ reference, value: sortedSet([...currentItems(view, reference), ...added]) }]);
  }

  /**
   * Removes items from a list. Unsets a key that is no list, if it has just that value. Does nothing when there is
   * nothing to remove.
   *
   * @throws Problem `config-invalid`: an item breaks the rule of the key, or what the file has is no list.
   */
  async remove(reference: KeyReference, text: string): Promise<void> {
    const given = this.storedValue(reference, text);
    if (!isList(reference))
      return this.change((view) => (meansSame(view, reference, given) ? [{ reference, value: undefined }] : []));
    const removed = new Set(textsIn(given));
    await this.change((view) => {
      const items = currentItems(view, reference);
      const kept = items.filter((item) => !removed.has(item));
      return kept.length < items.length ? [{ reference, value: kept }] : [];
    });
  }

  private async view(env: Environment): Promise<Resolution> {
    return this.resolution(await readSettingsTexts(this.options.directory), env);
  }

  private async resolution(texts: SettingsTexts, env: Environment): Promise<Resolution> {
    const { cwd, directory: configDirectory } = this.options;
    const tables = parseSettings(texts);
    return new Resolution({ tables, env, cwd, configDirectory, isRunWritable: await isWritableDirectory('/run') });
  }

  private async printed(view: Resolution, reference: KeyReference): Promise<string | undefined> {
    const { value } = view.resolve(reference);
    if (value !== undefined || !isDeviceId(reference)) return printedValue(value);
    return deviceIdInForce(view, reference, this.options.readDeviceId ?? (async () => undefined));
  }

  private storedValue(reference: KeyReference, text: string): StoredValue {
    const value = describeKey(reference.key).type.fromText(text, this.options.cwd);
    const outcome = typedSchemaOf(reference.key).safeParse(value);
    if (outcome.success) return value;
    const name = nameOf(reference);
    const rule = outcome.error.issues[0]?.message ?? '';
    throw problemOf([{ key: name, where: name, value: shownValue(value), rule }]);
  }

  private async change(decide: (view: Resolution) => readonly SettingChange[]): Promise<void> {
    const { directory, lockWaitMs } = this.options;
    // The environment has priority only when we read. A change starts from the values in the files.
    await changeSettings(directory, async (texts) => decide(await this.resolution(texts, {})), lockWaitMs);
  }
}

function isDeviceId({ key }: KeyReference): boolean {
  return key === 'device.id' || key === 'c8y.device.id';
}

/** The value in the file; undefined if the file does not set the key. */
function writtenValue(view: Resolution, reference: KeyReference): unknown {
  const { value, source } = view.resolve(reference);
  return source === 'file' ? value : undefined;
}

function isList({ key }: KeyReference): boolean {
  return describeKey(key).type.isList === true;
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function currentItems(view: Resolution, reference: KeyReference): string[] {
  const faults = view.faultsOf(reference);
  if (faults.length > 0) throw problemOf(faults);
  return textsIn(view.resolve(reference).value);
}

function sortedSet(items: readonly string[]): string[] {
  return [...new Set(items)].toSorted();
}

/** True when two spellings of a value mean the same to programs: `60s` and `1m`. */
function meansSame(view: Resolution, reference: KeyReference, given: StoredValue): boolean {
  const schema = typedSchemaOf(reference.key);
  const { value } = view.resolve(reference);
  return isDeepStrictEqual(schema.safeParse(value), schema.safeParse(given));
}

/** A value as `config get` and `config list` print it. */
function printedValue(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? `[${value.map((item) => JSON.stringify(item)).join(', ')}]` : String(value);
}
