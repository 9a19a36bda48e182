import {
  backupFileName,
  type LoadOptions,
  loadSettings,
  moveOwnSettingsAtStart,
  type Settings,
} from '@sallyport/config';
import { exists } from '@sallyport/files';
import { Problem, statePlaces } from '@sallyport/protocol';
import type { Log } from './log.js';

/**
 * Reads the settings at the start of a process, and logs warnings about them.
 *
 * @throws Problem `config-invalid`: as `loadSettings` says.
 * @throws Problem `site-incomplete`: a backup was restored in part only
 */
export async function settingsAtStart(options: LoadOptions, log: Log): Promise<Settings> {
  if (await moveOwnSettingsAtStart(options))
    log.info({ backup: backupFileName }, 'settings that thin-edge.io does not know moved to sallyport.toml');
  const { settings, warnings } = await loadSettings(options);
  await requireRestored(settings);
  for (const warning of warnings) log.warn({ warning }, 'configuration needs attention');
  return settings;
}

/** A half restored site would found itself anew, or let in who was revoked. */
async function requireRestored({ stateDirectory }: Settings): Promise<void> {
  if (!(await exists(statePlaces(stateDirectory).restoring))) return;
  throw new Problem(
    'site-incomplete',
    'A backup was being restored here, and that was not finished. Run the same command again: sallyport restore FILE',
  );
}
