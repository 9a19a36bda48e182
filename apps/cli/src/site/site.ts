import type { AdminClient } from '@sallyport/admin-client';
import { ConfigFile, type Settings } from '@sallyport/config';
import type { ServiceName } from '@sallyport/protocol';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, openSettings } from '../options.js';

/** A running site as a command uses it: its settings, its services, and what is outside. */
export interface Site {
  readonly context: CliContext;
  readonly settings: Settings;
  /** The settings file alone, without the environment. */
  readonly settingsFile: ConfigFile;
  client(service: ServiceName): Promise<AdminClient>;
}

/** @throws Problem `config-invalid`: the settings cannot be read */
export async function openSite(context: CliContext, options: GlobalOptions): Promise<Site> {
  const settings = await openSettings(context, options);
  return {
    context,
    settings,
    settingsFile: new ConfigFile({ directory: settings.directory, env: {}, cwd: context.cwd }),
    client: (service) => adminClientFor(service, settings, { context, options }),
  };
}
