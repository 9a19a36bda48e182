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
    .filter(({ old, present }) => old !== '' && old !== present)
    .toSorted((a, b) => b.old.length - a.old.length);
  for (const name of Object.values(settingsFileNames)) {
    const path = join(configDir, name);
    const text = await textOf(path);
    const changed = moves.reduce((present, move) => moved(present, move), text ?? '');
    if (text !== undefined && changed !== text) await writeFile(path, changed);
  }
}

/** A path begins after a quotation mark, an equals sign or a comma. */
function moved(text: string, { old, present }: { readonly old: string; readonly present: string }): string {
  const pattern = new RegExp(`(["'=,\\s])${old.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')}(?=["'/,\\s]|$)`, 'gm');
  return text.replace(pattern, (_match, before: string) => before + present);
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
