import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { breakingSuffix } from './file-lock.js';
import { settingsFileNames } from './settings-file.js';

/**
 * Removes files that killed processes left beside the settings files. Call it while you hold the lock: then no other
 * process writes a temporary file or removes a lock.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  const names = await readdir(directory);
  const leftovers = names.filter((name) => {
    const isTemporary =
      Object.values(settingsFileNames).some((file) => name.replace(/^\./, '').startsWith(`${file}.`)) &&
      /\.[0-9a-f-]{36}\.tmp$/.test(name);
    return isTemporary || (name.startsWith(`${settingsFileNames.tedge}.lock.`) && name.endsWith(breakingSuffix));
  });
  await Promise.all(leftovers.map((name) => rm(join(directory, name), { force: true })));
}
