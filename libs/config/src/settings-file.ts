import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import type { SettingsHome } from './setting.js';
import { parseToml, type TomlTable } from './toml.js';

/** The settings files inside the configuration directory, by the home of their keys. */
export const settingsFileNames = { tedge: 'tedge.toml', sallyport: 'sallyport.toml' } as const satisfies Record<
  SettingsHome,
  string
>;

/** What both settings files say, as text. */
export type SettingsTexts = Readonly<Record<SettingsHome, string>>;

/** What both settings files say, parsed. */
export type SettingsTables = Readonly<Record<SettingsHome, TomlTable>>;

/** Largest settings file that is read; a full one has less than 10 KiB. */
const largestFileBytes = 1024 * 1024;

// A change of both files takes milliseconds, and settings are changed by hand.
const mostReadings = 20;

/**
 * The texts of tedge.toml and sallyport.toml at one moment; empty for a file that does not exist.
 *
 * Another process may be moving a setting from one file to the other. It writes the setting to the new file before it
 * removes it from the old one. So if the first file did not change while we read the second, we missed nothing.
 *
 * @throws Problem `config-invalid`: a file is unreadable, not a file, larger than 1 MiB, or not UTF-8.
 */
export async function readSettingsTexts(directory: string): Promise<SettingsTexts> {
  const read = (home: SettingsHome) => readSettingsText(directory, settingsFileNames[home]);
  let tedge = await read('tedge');
  for (let readings = 0; ; readings += 1) {
    const sallyport = await read('sallyport');
    const after = await read('tedge');
    if (after === tedge || readings >= mostReadings) return { tedge: after, sallyport };
    tedge = after;
  }
}

/** @throws Problem `config-invalid`: a file is not valid TOML */
export function parseSettings({ tedge, sallyport }: SettingsTexts): SettingsTables {
  return {
    tedge: parseToml(tedge, settingsFileNames.tedge),
    sallyport: parseToml(sallyport, settingsFileNames.sallyport),
  };
}

// A file that cannot be read is an error. If it counted as empty, TLS would be turned off without a word.
async function readSettingsText(directory: string, name: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a named pipe would wait for a writer.
    file = await open(join(directory, name), constants.O_RDONLY | constants.O_NONBLOCK);
    return await textOf(file, name);
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (hasCode(error, 'ENOENT')) return '';
    const reason = `${name} cannot be read (${errorCode(error)}). Check its permissions and those of its directory.`;
    throw new Problem('config-invalid', reason, { cause: error });
  } finally {
    await file?.close();
  }
}

async function textOf(file: FileHandle, name: string): Promise<string> {
  const status = await file.stat();
  if (!status.isFile()) throw new Problem('config-invalid', `${name} is not a file. Remove or rename it.`);
  if (status.size > largestFileBytes) {
    const size = `${name} has ${status.size} bytes, the limit is ${largestFileBytes}`;
    throw new Problem('config-invalid', `${size}. Remove what are not settings.`);
  }
  const bytes = await file.readFile();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Problem('config-invalid', `${name} is not UTF-8 text. Save it as UTF-8.`, { cause: error });
  }
}
