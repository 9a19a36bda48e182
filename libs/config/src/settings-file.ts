import { type CloudFile, type CloudTable, parseCloudFiles, readCloudFiles } from './cloud-files.js';
import type { SettingsHome } from './setting.js';
import { readSettingsText } from './settings-text.js';
import { parseToml, type TomlTable } from './toml.js';

/** The settings files inside the configuration directory, by the home of their keys. */
export const settingsFileNames = { tedge: 'tedge.toml', sallyport: 'sallyport.toml' } as const satisfies Record<
  SettingsHome,
  string
>;

/** What both settings files say, as text. */
export type HomeTexts = Readonly<Record<SettingsHome, string>>;

/** What all settings files say, as text. */
export interface SettingsTexts extends HomeTexts {
  /** The files of clouds that have their settings in a mapper.toml, as thin-edge.io 2 has. */
  readonly clouds: readonly CloudFile[];
}

/** What all settings files say, parsed. */
export interface SettingsTables extends Readonly<Record<SettingsHome, TomlTable>> {
  readonly clouds: readonly CloudTable[];
}

// A change of both files takes milliseconds, and settings are changed by hand.
const mostReadings = 20;

/**
 * The texts of tedge.toml and sallyport.toml at one moment, empty for a file that does not exist, and those of the clouds.
 *
 * Another process may be moving a setting from one file to the other. It writes the setting to the new file before it
 * removes it from the old one. So if the first file did not change while we read the second, we missed nothing.
 *
 * @throws Problem `config-invalid`: a file or the folder `mappers` is unreadable, not a file, larger than 1 MiB, or not
 *   UTF-8.
 */
export async function readSettingsTexts(directory: string): Promise<SettingsTexts> {
  const read = async (home: SettingsHome) => (await readSettingsText(directory, settingsFileNames[home])) ?? '';
  let tedge = await read('tedge');
  const clouds = await readCloudFiles(directory);
  for (let readings = 0; ; readings += 1) {
    const sallyport = await read('sallyport');
    const after = await read('tedge');
    if (after === tedge || readings >= mostReadings) return { tedge: after, sallyport, clouds };
    tedge = after;
  }
}

/** @throws Problem `config-invalid`: a file is not valid TOML */
export function parseSettings({ tedge, sallyport, clouds }: SettingsTexts): SettingsTables {
  return {
    clouds: parseCloudFiles(clouds),
    tedge: parseToml(tedge, settingsFileNames.tedge),
    sallyport: parseToml(sallyport, settingsFileNames.sallyport),
  };
}
