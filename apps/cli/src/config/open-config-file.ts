import { ConfigFile, resolveConfigDirectory } from '@sallyport/config';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, settingsSource } from '../options.js';

/** The settings file a command reads or changes. */
export async function openConfigFile(context: CliContext, options: GlobalOptions): Promise<ConfigFile> {
  const source = settingsSource(context, options);
  return new ConfigFile({ ...source, directory: await resolveConfigDirectory(source) });
}

/** What a person should know about the configuration, on stderr. */
export function writeWarnings({ stderr }: CliContext, warnings: readonly string[]): void {
  for (const warning of warnings) stderr.write(`Warning: ${warning}\n`);
}
