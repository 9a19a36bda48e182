import { rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, hasCode, isDiskFull, makeFolder, removeIfPresent, replaceTextFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { type CloudFile, cloudFileFor, cloudPathsOf, isEmptyCloudTable } from './cloud-files.js';
import { withFileLock } from './file-lock.js';
import { type KeyReference, pathsOf } from './key-names.js';
import { removeLeftovers } from './leftovers.js';
import { describeKey } from './schema.js';
import type { SettingsHome } from './setting.js';
import { type HomeTexts, readSettingsTexts, type SettingsTexts, settingsFileNames } from './settings-file.js';
import { splitSettings } from './settings-split.js';
import { parseToml, type TomlTable } from './toml.js';
import { editToml } from './toml-editor.js';
import type { StoredValue } from './value-type.js';

/** What a key is to become; undefined takes it out. */
export interface SettingChange {
  readonly reference: KeyReference;
  readonly value: StoredValue | undefined;
}

/** Name of the copy of tedge.toml as it was before settings first moved out of it. */
export const backupFileName = 'tedge.toml.before-sallyport';

/**
 * Changes the settings files under their common lock. Each is written whole or not at all.
 *
 * A setting in the wrong file is first written to its own file, then removed from the other. So nothing is lost if the
 * process is killed between the two writes, or if another process reads between them.
 *
 * @param decide what to change, from what the files say now.
 * @param lockWaitMs milliseconds to wait for another process that changes them.
 * @throws Problem `unavailable`: another process keeps the lock. Problem `forbidden` or `storage-full`: a file cannot be
 *   written. Problem `config-invalid`: a file cannot be read or has no room. The files are then as they were.
 */
export async function changeSettings(
  directory: string,
  decide: (texts: SettingsTexts) => Promise<readonly SettingChange[]>,
  lockWaitMs?: number,
): Promise<void> {
  const lock = join(directory, `${settingsFileNames.tedge}.lock`);
  try {
    await makeFolder(directory, 0o755);
    await withFileLock(lock, () => rewrite(directory, decide), lockWaitMs);
  } catch (error) {
    throw writeProblem(error) ?? error;
  }
}

/**
 * Moves settings that thin-edge.io does not know out of its file, as every change does. Does nothing when there are none.
 *
 * @returns whether anything moved.
 * @throws as `changeSettings`.
 */
export async function moveOwnSettings(directory: string): Promise<boolean> {
  const texts = await readSettingsTexts(directory);
  if (splitSettings(texts).tedge === texts.tedge) return false;
  await changeSettings(directory, async () => []);
  return true;
}

async function rewrite(
  directory: string,
  decide: (texts: SettingsTexts) => Promise<readonly SettingChange[]>,
): Promise<void> {
  const before = await readSettingsTexts(directory);
  const split = splitSettings(before);
  const writes = writesFor(before, split, await decide(before));
  if (writes.length === 0) return;
  // Do this first. Then an error always means that the files did not change.
  await removeLeftovers(
    directory,
    [...before.clouds, ...writes].map(({ name }) => name),
  );
  if (split.tedge !== before.tedge) await keepBackup(directory, before.tedge);
  await writeInTurn(directory, writes);
}

/** What to write, in this order. */
function writesFor(before: SettingsTexts, split: HomeTexts, changes: readonly SettingChange[]): FileWrite[] {
  const legacy = parseToml(split.tedge, settingsFileNames.tedge);
  const isElsewhere = ({ reference }: SettingChange) => isInCloudFile(reference, before, legacy);
  const clouds = cloudWrites(before.clouds, changes.filter(isElsewhere), legacy);
  const shared = changes.filter((change) => !isElsewhere(change));
  const tedge = changed(split.tedge, 'tedge', shared);
  const sallyport = changed(split.sallyport, 'sallyport', changes);
  if (tedge === before.tedge && sallyport === before.sallyport) return clouds;
  const harmless = changes.filter((change) => isElsewhere(change) || isHarmless(change, before));
  const withoutLosses = changed(split.sallyport, 'sallyport', harmless);
  const { tedge: tedgeName, sallyport: ownName } = settingsFileNames;
  const writes: FileWrite[] = [
    { name: ownName, before: before.sallyport, after: withoutLosses },
    { name: tedgeName, before: before.tedge, after: tedge },
    { name: ownName, before: withoutLosses, after: sallyport },
  ];
  return [...clouds, ...writes.filter((write) => write.before !== write.after)];
}

/** True for a key that stands in the mapper.toml of its cloud. */
function isInCloudFile(reference: KeyReference, { clouds }: SettingsTexts, legacy: TomlTable): boolean {
  return describeKey(reference.key).home === 'tedge' && cloudFileFor(reference, clouds, legacy) !== undefined;
}

/** What becomes of the files of clouds; a file without settings is removed. */
function cloudWrites(clouds: readonly CloudFile[], changes: readonly SettingChange[], legacy: TomlTable): FileWrite[] {
  const texts = new Map<string, string>();
  for (const { reference, value } of changes) {
    const file = cloudFileFor(reference, clouds, legacy);
    if (file === undefined) continue;
    const [present = [], ...old] = cloudPathsOf(reference);
    const edits = [...old.map((path) => ({ path, value: undefined })), { path: present, value }];
    const { name } = file;
    texts.set(
      name,
      edits.reduce((text, edit) => editToml(text, { ...edit, name }), texts.get(name) ?? file.text),
    );
  }
  return [...texts].flatMap(([name, text]) => {
    const before = clouds.find((file) => file.name === name)?.text;
    const after = isEmptyCloudTable(parseToml(text, name)) ? undefined : text;
    return before === after ? [] : [{ name, before, after }];
  });
}

/** True for changes of sallyport.toml that may come before tedge.toml is written: they remove no value that is in force. */
function isHarmless({ reference, value }: SettingChange, before: SettingsTexts): boolean {
  if (describeKey(reference.key).home === 'sallyport') return value !== undefined;
  return pathsOf(reference).some((path) => isRemovable(before.tedge, path));
}

function isRemovable(text: string, path: readonly string[]): boolean {
  return editToml(text, { path, value: undefined, name: settingsFileNames.tedge }) !== text;
}

function changed(text: string, home: SettingsHome, changes: readonly SettingChange[]): string {
  const edits = changes.flatMap(({ reference, value }) => {
    const [present = [], ...old] = pathsOf(reference);
    const isHome = describeKey(reference.key).home === home;
    return [...old.map((path) => ({ path, value: undefined })), { path: present, value: isHome ? value : undefined }];
  });
  return edits.reduce((before, edit) => editToml(before, { ...edit, name: settingsFileNames[home] }), text);
}

/** A file of the configuration directory, before and after; undefined: it is not there. */
interface FileWrite {
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

async function writeInTurn(directory: string, writes: readonly FileWrite[]): Promise<void> {
  const done: FileWrite[] = [];
  try {
    for (const next of writes) {
      await writeSettingsFile(directory, next.name, next.after);
      done.unshift(next);
    }
  } catch (error) {
    // If we cannot undo it, a copy of the value in force stays. The next change removes it.
    for (const { name, before } of done) await writeSettingsFile(directory, name, before).catch(() => undefined);
    throw error;
  }
}

/** Writes a file whole, or removes it, and its folder if nothing else is in it. */
async function writeSettingsFile(directory: string, name: string, text: string | undefined): Promise<void> {
  const path = join(directory, name);
  if (text !== undefined) {
    await makeFolder(dirname(path), 0o755);
    return replaceTextFile(path, text, { model: join(directory, settingsFileNames.tedge) });
  }
  await removeIfPresent(path);
  if (dirname(path) === directory) return;
  await rmdir(dirname(path)).catch((error: unknown) => {
    // The rules of the bridge may be in it.
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  });
}

/** Keeps the first copy. Settings that are moved later were put there by hand after it. */
async function keepBackup(directory: string, text: string): Promise<void> {
  const backup = join(directory, backupFileName);
  if ((await stat(backup).catch(() => undefined)) !== undefined) return;
  await replaceTextFile(backup, text, { model: join(directory, settingsFileNames.tedge) });
}

/** Codes of failed system calls that a person can correct, with the reason in words. */
function writeProblem(error: unknown): Problem | undefined {
  const name = settingsFileNames.tedge;
  const code = errorCode(error);
  if (isDiskFull(error)) {
    return new Problem('storage-full', `${name} was not changed: the disk is full.`, { cause: error });
  }
  if (code === undefined) return undefined;
  const remedy = 'Check the permissions of the configuration directory, or run the command as its owner.';
  return new Problem('forbidden', `${name} was not changed (${code}). ${remedy}`, { cause: error });
}
