import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, hasCode, replaceTextFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { withFileLock } from './file-lock.js';
import { type KeyReference, pathsOf } from './key-names.js';
import { removeLeftovers } from './leftovers.js';
import { describeKey } from './schema.js';
import type { SettingsHome } from './setting.js';
import { readSettingsTexts, type SettingsTexts, settingsFileNames } from './settings-file.js';
import { splitSettings } from './settings-split.js';
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
    await mkdir(directory, { recursive: true, mode: 0o755 });
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
  const changes = await decide(before);
  const split = splitSettings(before);
  const after = {
    tedge: changed(split.tedge, 'tedge', changes),
    sallyport: changed(split.sallyport, 'sallyport', changes),
  };
  const withoutLosses = changed(
    split.sallyport,
    'sallyport',
    changes.filter((change) => isHarmless(change, before)),
  );
  if (after.tedge === before.tedge && after.sallyport === before.sallyport) return;
  // Do this first. Then an error always means that the files did not change.
  await removeLeftovers(directory);
  if (split.tedge !== before.tedge) await keepBackup(directory, before.tedge);
  await writeInTurn(directory, before, [
    { home: 'sallyport', text: withoutLosses },
    { home: 'tedge', text: after.tedge },
    { home: 'sallyport', text: after.sallyport },
  ]);
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

interface FileWrite {
  readonly home: SettingsHome;
  readonly text: string;
}

async function writeInTurn(directory: string, before: SettingsTexts, writes: readonly FileWrite[]): Promise<void> {
  const texts = { ...before };
  const model = join(directory, settingsFileNames.tedge);
  const write = async ({ home, text }: FileWrite) => {
    if (texts[home] === text) return;
    await replaceTextFile(join(directory, settingsFileNames[home]), text, { model });
    texts[home] = text;
  };
  try {
    for (const next of writes) await write(next);
  } catch (error) {
    // If we cannot undo it, a copy of the value in force stays. The next change removes it.
    for (const home of ['tedge', 'sallyport'] as const)
      await write({ home, text: before[home] }).catch(() => undefined);
    throw error;
  }
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
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new Problem('storage-full', `${name} was not changed: the disk is full.`, { cause: error });
  }
  if (code === undefined) return undefined;
  const remedy = 'Check the permissions of the configuration directory, or run the command as its owner.';
  return new Problem('forbidden', `${name} was not changed (${code}). ${remedy}`, { cause: error });
}
