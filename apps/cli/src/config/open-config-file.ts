import { ConfigFile, resolveConfigDirectory } from '@sallyport/config';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, settingsSource } from '../options.js';

/** The settings file a command reads or changes. */
export async function openConfigFile(context: CliContext, options: GlobalOptions): Promise<ConfigFile> {
  const source = settingsSource(context, options);
  return new ConfigFile({ ...source, directory: await resolveConfigDirectory(source) });
}
