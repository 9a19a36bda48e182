import { join } from 'node:path';
import { findKey, quoted, resolveConfigDirectory } from '@sallyport/config';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, settingsSource } from '../options.js';

/** A setting that is wrong, and where it is. */
interface WrongSetting {
  readonly key: string;
  readonly where: string;
}

/** The command for a setting that cannot be read: it unsets it where it is set. */
export function settingRemedy(
  { programName }: CliContext,
  { configDir }: GlobalOptions,
  { key, where }: WrongSetting,
): string | undefined {
  if (where.startsWith('TEDGE_')) return `unset ${where}`;
  if (findKey(key) === undefined) return undefined;
  const option = configDir === undefined ? '' : ` --config-dir ${quoted(configDir)}`;
  return `${programName}${option} config unset ${quoted(key)}`;
}

const settingsFile = /^(?:tedge\.toml|sallyport\.toml|mappers\/[\w.-]+\/mapper\.toml)(?=[: ]|$)/;

/**
 * The command for a settings file that only a person can repair: it opens an editor, or lets the owner read the file first.
 *
 * @param fault what is wrong; where it begins with the name of a settings file, that file is opened
 */
export async function editSettings(context: CliContext, options: GlobalOptions, fault: string): Promise<string> {
  const directory = await resolveConfigDirectory(settingsSource(context, options));
  const [name = 'tedge.toml'] = settingsFile.exec(fault) ?? [];
  return fileRemedy(fault, join(directory, name));
}

/** An editor cannot open what its user may not read. */
export function fileRemedy(fault: string, path: string): string {
  if (fault.includes('cannot be read (EACCES)')) return `chmod u+rw ${quoted(path)}`;
  return `\${EDITOR:-vi} ${quoted(path)}`;
}
