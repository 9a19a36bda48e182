import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { isAbsent } from '@sallyport/files';
import { stateFolders } from '@sallyport/protocol';
import type { FolderName, Folders } from './manifest.js';

/** A file that belongs into a backup. */
export interface SiteFile {
  readonly folder: FolderName;
  /** Below the folder, with `/`. */
  readonly name: string;
  /** Where its content is. */
  readonly path: string;
}

/** Names of what lies aside after a restore or a new founding, and of what a killed writer has left. */
export const leftover = /(\.before-\d{8}T\d{6}Z$|^\.restore-|^\..*\.tmp$|^restoring$)/;

/** Folders of the data that hold what was transferred. */
const transferred = ['file-transfer', 'cache', 'connector'];

/** What `state.path` has. It may be the same folder as that of the settings. */
export const stateNames: readonly string[] = Object.values(stateFolders);

/** The files of the state: first of all the journals, so that none is newer than the store in the backup. */
export async function* stateFiles({ state }: Folders): AsyncGenerator<SiteFile> {
  const others = stateNames.filter((name) => name !== stateFolders.journal);
  for (const name of [stateFolders.journal, ...others]) yield* filesBelow('state', state, name, []);
}

/** The settings, and everything that lies beside them: rules, mappers, certificates. */
export async function* settingsFiles(folders: Folders, run: string): AsyncGenerator<SiteFile> {
  const { config, state, data } = folders;
  const others = [...stateNames.map((name) => join(state, name)), data, run, ...(state === config ? [] : [state])];
  yield* filesBelow('config', config, '', others);
}

/** CA keys; and with `withFiles` what devices have stored. */
export async function* dataFiles({ data }: Folders, withFiles: boolean): AsyncGenerator<SiteFile> {
  yield* filesBelow('data', data, 'pki', []);
  yield* filesBelow('data', data, 'file-transfer-owners.jsonl', []);
  if (withFiles) for (const name of transferred) yield* filesBelow('data', data, name, []);
}

async function* filesBelow(
  folder: FolderName,
  top: string,
  name: string,
  others: readonly string[],
): AsyncGenerator<SiteFile> {
  const path = join(top, name);
  if (others.includes(path) || leftover.test(basename(name))) return;
  const kind = await kindOf(path);
  if (kind === 'file') yield { folder, name: name.split(sep).join('/'), path };
  if (kind !== 'directory') return;
  for (const each of (await readdir(path)).toSorted()) yield* filesBelow(folder, top, join(name, each), others);
}

/** A link to a file counts as that file. A link to a folder is not followed, because it may lead anywhere. */
async function kindOf(path: string): Promise<'file' | 'directory' | 'other'> {
  try {
    const own = await lstat(path);
    if (own.isDirectory()) return 'directory';
    return (await stat(path)).isFile() ? 'file' : 'other';
  } catch (error) {
    if (isAbsent(error)) return 'other';
    throw error;
  }
}

/** Whether a file lies below one of the folders, also by way of links. */
export async function isInside(folders: Folders, path: string): Promise<boolean> {
  const isBelow = (folder: string, file: string) => !relative(folder, file).startsWith('..');
  if (Object.values(folders).some((folder) => isBelow(folder, path))) return true;
  const real = await realpath(path).catch(() => path);
  return Object.values(folders).some((folder) => isBelow(folder, real));
}
