import { Problem } from '@sallyport/protocol';
import type { ConfigKey, ConfigValue } from './schema.js';
import type { Settings } from './settings.js';

/** Keys whose value programs read as text, paths among them. */
export type TextKey = { [K in ConfigKey]: ConfigValue<K> extends string ? K : never }[ConfigKey];

/**
 * The values of settings that only work together, such as a certificate and its key. They are checked when they are used,
 * not when they are set, so that they can be set one after the other.
 *
 * @returns the values in the order of `keys`, or undefined when none of them is set.
 * @throws Problem `config-invalid`: some are set and some are not; the message says which, for every key.
 */
export function requireGroup(settings: Settings, keys: readonly TextKey[]): string[] | undefined {
  const values = keys.flatMap((key) => settings.get(key) ?? []);
  if (values.length === keys.length) return values;
  if (values.length === 0) return undefined;
  const missing = keys.filter((key) => settings.get(key) === undefined);
  const states = keys.map((key) => `${key} is ${missing.includes(key) ? 'not set' : 'set'}`);
  const remedy = `Set ${missing.join(' and ')} too, or unset the other.`;
  throw new Problem('config-invalid', `${keys.join(' and ')} only work together: ${states.join(', ')}. ${remedy}`);
}
