import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { namesIn } from '@sallyport/files';
import { breakingSuffix } from './file-lock.js';
import { settingsFileNames } from './settings-file.js';

/**
 * Removes files that killed processes left beside the settings files. Call it while you hold the lock: then no other
 * process writes a temporary file or removes a lock.
 *
 * @param others paths of more files in the directory than tedge.toml and sallyport.toml
 */
export async function removeLeftovers(directory: string, others: readonly string[]): Promise<void> {
  const locks = (await readdir(directory)).filter(
    (name) => name.startsWith(`${settingsFileNames.tedge}.lock.`) && name.endsWith(breakingSuffix),
  );
  const files = new Set([...Object.values(settingsFileNames), ...others]);
  const temporary = await Promise.all([...files].map((file) => temporaryFilesOf(directory, file)));
  await Promise.all([...locks, ...temporary.flat()].map((name) => rm(join(directory, name), { force: true })));
}

async function temporaryFilesOf(directory: string, file: string): Promise<string[]> {
  const names = await namesIn(join(directory, dirname(file)));
  return names
    .filter((name) => name.replace(/^\./, '').startsWith(`${basename(file)}.`) && /\.[0-9a-f-]{36}\.tmp$/.test(name))
    .map((name) => join(dirname(file), name));
}
