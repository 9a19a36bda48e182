import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigFile, type ConfigFileOptions } from './config-file.js';
import type { Environment } from './environment.js';
import { loadSettings } from './load-settings.js';

type OnFinished = (cleanUp: () => Promise<void>) => void;

/** Makes configuration directories that exist as long as the running test, with this tedge.toml in them. */
export function configDirectories(onTestFinished: OnFinished) {
  return async (toml?: string | Uint8Array): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-config-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    if (toml !== undefined) await writeFile(join(directory, 'tedge.toml'), toml);
    return directory;
  };
}

type DirectoryWith = ReturnType<typeof configDirectories>;

/** Loads the settings of a new directory with this tedge.toml. */
export function settingsLoader(directoryWith: DirectoryWith) {
  return async (toml: string | Uint8Array | undefined, env: Environment = {}, argv: readonly string[] = []) =>
    loadSettings({ configDir: await directoryWith(toml), env, cwd: '/home/me', argv });
}

/** Opens a new directory with this tedge.toml, and reads back its two files. */
export function configFileOpener(directoryWith: DirectoryWith) {
  return async (toml?: string, options: Partial<ConfigFileOptions> = {}) => {
    const directory = await directoryWith(toml);
    const file = new ConfigFile({ directory, env: {}, cwd: '/home/me', ...options });
    const text = () => readFile(join(directory, 'tedge.toml'), 'utf8');
    const ownText = () => readFile(join(directory, 'sallyport.toml'), 'utf8');
    return { directory, file, text, ownText };
  };
}
