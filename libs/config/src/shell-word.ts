import { environmentNameOf } from './key-names.js';
import type { ConfigKey } from './schema.js';
import type { Settings } from './settings.js';

const plainWord = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell reads it. */
export function quoted(word: string): string {
  return plainWord.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * What a person does to change a setting: a flag or a variable of the environment has priority over the file.
 *
 * @param program how the person calls the CLI
 */
export function commandToSet(
  settings: Pick<Settings, 'source'>,
  key: ConfigKey,
  value: string,
  program = 'sallyport',
): string {
  const source = settings.source(key);
  if (source === 'argument') return `start it with --${key} ${quoted(value)}`;
  if (source === 'env') return `export ${environmentNameOf({ key })}=${quoted(value)}`;
  return `${program} config set ${key} ${quoted(value)}`;
}
