import {
  backupFileName,
  type LoadOptions,
  loadSettings,
  moveOwnSettingsAtStart,
  type Settings,
} from '@sallyport/config';
import type { Log } from './log.js';

/**
 * Reads the settings at the start of a process, and logs warnings about them.
 *
 * @throws Problem `config-invalid`: as `loadSettings` says.
 */
export async function settingsAtStart(options: LoadOptions, log: Log): Promise<Settings> {
  if (await moveOwnSettingsAtStart(options))
    log.info({ backup: backupFileName }, 'settings that thin-edge.io does not know moved to sallyport.toml');
  const { settings, warnings } = await loadSettings(options);
  for (const warning of warnings) log.warn({ warning }, 'configuration needs attention');
  return settings;
}
