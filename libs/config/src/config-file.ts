import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Problem } from '@sallyport/protocol';
import { replaceTextFile } from './atomic-write.js';
import { isWritableDirectory } from './config-directory.js';
import { deviceIdInForce } from './device-ids.js';
import type { Environment } from './environment.js';
import { errorCode } from './error-code.js';
import { problemOf, shownValue } from './faults.js';
import { withFileLock } from './file-lock.js';
import { type KeyReference, nameOf, pathsOf } from './key-names.js';
import { removeLeftovers } from './leftovers.js';
import { Resolution } from './resolution.js';
import { configSchema, describeKey } from './schema.js';
import type { DeviceIdReader } from './settings.js';
import { readSettingsText, settingsFileName } from './settings-file.js';
import { parseToml, type TomlTable } from './toml.js';
import { editToml } from './toml-editor.js';
import type { StoredValue } from './value-type.js';

/** Where the settings file is and what its reading depends on. */
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
export interface Wish {
  readonly reference: KeyReference;
  readonly text: string | undefined;
}

/**
 * The settings as a person reads and changes them, one at a time, or several that only work together.
 *
 * Reading lays the environment over the file; changing looks at the file alone. A change keeps every comment, the order
 * and the unknown keys of tedge.toml, is written whole or not at all, and waits for other processes that change it.
 *
 * Every method throws Problem `config-invalid` when tedge.toml cannot be read or is not valid TOML; every change throws
 * Problem `unavailable` when another process keeps the file locked, `forbidden` or `storage-full` when it cannot be
 * written. The file is then as it was before.
 */
export class ConfigFile {
  readonly #options: ConfigFileOptions;

  constructor(options: ConfigFileOptions) {
    this.#options = options;
  }

  /**
   * The value in force for one key, and what a person should know about the configuration.
   *
   * @throws Problem `config-invalid`: the value breaks the rule of its key.
   * @throws Problem `not-found`: nothing is configured for the profile.
   */
  async get(reference: KeyReference): Promise<{ value: string | undefined; warnings: readonly string[] }> {
    const view = await this.#view(this.#options.env);
    if (reference.profile !== undefined) view.requireProfile(reference.profile);
    const faults = view.faultsOf(reference);
    if (faults.length > 0) throw problemOf(faults);
    return { value: await this.#printed(view, reference), warnings: view.warnings };
  }

  /**
   * Every setting with the value in force, those of profiles included, in the order of the documentation.
   *
   * @throws Problem `config-invalid`: all values that break the rule of their key.
   */
  async list(): Promise<{ readings: Reading[]; warnings: readonly string[] }> {
    const view = await this.#view(this.#options.env);
    if (view.faults.length > 0) throw problemOf(view.faults);
    const readings = view.references.map(async (reference) => {
      return { name: nameOf(reference), reference, value: await this.#printed(view, reference) };
    });
    return { readings: await Promise.all(readings), warnings: view.warnings };
  }

  /**
   * Gives a key a value. Other settings of the file may be wrong: this is how they are mended.
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
   * Changes several keys in one write: whoever reads the file finds all of it changed, or nothing.
   *
   * @returns what the file said before about those that changed, to be handed back in for taking it all back.
   * @throws Problem `config-invalid`: a value breaks the rule of its key; nothing was changed.
   */
  async exchange(wishes: readonly Wish[]): Promise<Wish[]> {
    const changes = wishes.map(({ reference, text }): Change => {
      return { reference, value: text === undefined ? undefined : this.#storedValue(reference, text) };
    });
    const former: Wish[] = [];
    await this.#change((view) => {
      const changing = changes.filter(
        ({ reference, value }) => !isDeepStrictEqual(writtenValue(view, reference), value),
      );
      former.push(
        ...changing.map(({ reference }) => ({ reference, text: printedValue(writtenValue(view, reference)) })),
      );
      // All of them: an old name of a key goes also when its value stays.
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
    const added = textsIn(this.#storedValue(reference, text));
    await this.#change((view) => [{ reference, value: sortedSet([...currentItems(view, reference), ...added]) }]);
  }

  /**
   * Removes items from a list. Unsets a key that is no list, if it has just that value. Does nothing when there is
   * nothing to remove.
   *
   * @throws Problem `config-invalid`: an item breaks the rule of the key, or what the file has is no list.
   */
  async remove(reference: KeyReference, text: string): Promise<void> {
    const given = this.#storedValue(reference, text);
    if (!isList(reference))
      return this.#change((view) => (meansSame(view, reference, given) ? [{ reference, value: undefined }] : []));
    const removed = new Set(textsIn(given));
    await this.#change((view) => {
      const items = currentItems(view, reference);
      const kept = items.filter((item) => !removed.has(item));
      return kept.length < items.length ? [{ reference, value: kept }] : [];
    });
  }

  async #view(env: Environment): Promise<Resolution> {
    const text = await readSettingsText(this.#options.directory);
    return this.#resolution(parseToml(text, settingsFileName), env);
  }

  async #resolution(table: TomlTable, env: Environment): Promise<Resolution> {
    const { cwd, directory: configDirectory } = this.#options;
    return new Resolution({ table, env, cwd, configDirectory, isRunWritable: await isWritableDirectory('/run') });
  }

  async #printed(view: Resolution, reference: KeyReference): Promise<string | undefined> {
    const { value } = view.resolve(reference);
    if (value !== undefined || !isDeviceId(reference)) return printedValue(value);
    return deviceIdInForce(view, reference, this.#options.readDeviceId ?? (async () => undefined));
  }

  #storedValue(reference: KeyReference, text: string): StoredValue {
    const value = describeKey(reference.key).type.fromText(text, this.#options.cwd);
    const outcome = configSchema.shape[reference.key].safeParse(value);
    if (outcome.success) return value;
    const name = nameOf(reference);
    const rule = outcome.error.issues[0]?.message ?? '';
    throw problemOf([{ key: name, where: name, value: shownValue(value), rule }]);
  }

  async #change(decide: (view: Resolution) => readonly Change[]): Promise<void> {
    const { directory, lockWaitMs } = this.#options;
    const path = join(directory, settingsFileName);
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      await withFileLock(`${path}.lock`, () => this.#rewrite(path, decide), lockWaitMs);
    } catch (error) {
      throw writeProblem(error) ?? error;
    }
  }

  async #rewrite(path: string, decide: (view: Resolution) => readonly Change[]): Promise<void> {
    const text = await readSettingsText(this.#options.directory);
    // The environment beats the file for readers only: a change starts from what the file says.
    const changes = decide(await this.#resolution(parseToml(text, settingsFileName), {}));
    const edits = changes.flatMap(({ reference, value }) => {
      const [present = [], ...old] = pathsOf(reference);
      return [...old.map((oldPath) => ({ path: oldPath, value: undefined })), { path: present, value }];
    });
    const changed = edits.reduce((before, edit) => editToml(before, { ...edit, name: settingsFileName }), text);
    if (changed === text) return;
    // First, so that an error always means that the file is as it was.
    await removeLeftovers(this.#options.directory);
    await replaceTextFile(path, changed);
  }
}

interface Change {
  readonly reference: KeyReference;
  readonly value: StoredValue | undefined;
}

function isDeviceId({ key }: KeyReference): boolean {
  return key === 'device.id' || key === 'c8y.device.id';
}

/** What the file itself says; undefined when it leaves the key to its default. */
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
  const schema = configSchema.shape[reference.key];
  const { value } = view.resolve(reference);
  return isDeepStrictEqual(schema.safeParse(value), schema.safeParse(given));
}

/** A value as `config get` and `config list` print it. */
function printedValue(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? `[${value.map((item) => JSON.stringify(item)).join(', ')}]` : String(value);
}

/** System calls that fail for a reason a person can mend, in words. */
function writeProblem(error: unknown): Problem | undefined {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Problem('storage-full', `${settingsFileName} was not changed: the disk is full.`, { cause: error });
  }
  if (code === undefined) return undefined;
  const remedy = 'Check the permissions of the configuration directory, or run the command as its owner.';
  return new Problem('forbidden', `${settingsFileName} was not changed (${code}). ${remedy}`, { cause: error });
}
