import { access, constants, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { configDirectoryIn, type Environment } from './environment.js';
import { systemConfigDirectory } from './resolution.js';

/** Where to look for the configuration directory. */
export interface DirectoryChoice {
  /** Value of `--config-dir`. */
  readonly configDir?: string;
  readonly env: Environment;
  readonly cwd: string;
  /** The directory of a packaged installation: `/etc/tedge`. */
  readonly systemDirectory?: string;
}

/**
 * The configuration directory as an absolute path: `--config-dir`, else `TEDGE_CONFIG_DIR`, else `/etc/tedge` when
 * this process may write there, else `.sallyport` in the working directory. It need not exist yet.
 */
export async function resolveConfigDirectory(choice: DirectoryChoice): Promise<string> {
  const chosen = choice.configDir || configDirectoryIn(choice.env);
  if (chosen !== undefined) return resolve(choice.cwd, chosen);
  const systemDirectory = choice.systemDirectory ?? systemConfigDirectory;
  return (await isWritableDirectory(systemDirectory)) ? systemDirectory : resolve(choice.cwd, '.sallyport');
}

/** True when this process may create files in a directory. */
export async function isWritableDirectory(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK | constants.X_OK);
    return (await stat(path)).isDirectory();
  } catch {
    // It is missing, or we may not write there.
    return false;
  }
}
