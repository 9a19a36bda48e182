import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { settingsFileNames } from '@sallyport/config';
import { isAbsent } from '@sallyport/files';
import { type Folders, folderName } from './manifest.js';

/** Paths in the settings that lie in a folder of the machine that was backed up lie in the same folder of this one. */
export async function relocated(configDir: string, from: Readonly<Record<string, string>>, to: Folders): Promise<void> {
  // The longest first: the folder of the data may lie in that of the settings.
  const moves = folderName.options
    .map((name) => ({ old: from[name] ?? '', present: to[name] }))
    .filter(({ old }) => old !== '')
    .toSorted((a, b) => b.old.length - a.old.length);
  for (const name of Object.values(settingsFileNames)) {
    const path = join(configDir, name);
    const text = await textOf(path);
    if (text === undefined) continue;
    const changed = moved(text, moves);
    if (changed !== text) await writeFile(path, changed);
  }
}

interface Move {
  readonly old: string;
  readonly present: string;
}

/**
 * A path begins after a quotation mark, an equals sign or a comma. All moves are made at once: the new place of one folder
 * may be the old place of another.
 */
function moved(text: string, moves: readonly Move[]): string {
  if (moves.length === 0) return text;
  const anyOld = moves.map(({ old }) => old.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('|');
  const pattern = new RegExp(`(["'=,\\s])(${anyOld})(?=["'/,\\s]|$)`, 'gm');
  return text.replace(pattern, (_match, before: string, old: string) => {
    return before + (moves.find((move) => move.old === old)?.present ?? old);
  });
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
