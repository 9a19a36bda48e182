import { Problem } from '@sallyport/protocol';
import type { ConfigKey } from './schema.js';
import type { Settings } from './settings.js';

/** Settings that only work together: all of a group or none of it. */
export const configGroups = {
  httpServer: ['http.cert_path', 'http.key_path'],
  httpClient: ['http.client.auth.cert_file', 'http.client.auth.key_file'],
  c8yProxy: ['c8y.proxy.cert_path', 'c8y.proxy.key_path'],
  mqttServer: ['mqtt.bind.cert_file', 'mqtt.bind.key_file'],
  mqttExternal: ['mqtt.external.cert_file', 'mqtt.external.key_file'],
  mqttClient: ['mqtt.client.auth.cert_file', 'mqtt.client.auth.key_file'],
  registryServer: ['registry.cert_path', 'registry.key_path'],
} as const satisfies Record<string, readonly ConfigKey[]>;

/** Name of a group of settings that only work together. */
export type ConfigGroup = keyof typeof configGroups;

/**
 * Whether a group is in use. Called where the group is consumed, so that its keys can be set one after the other.
 *
 * @returns true when all its keys are set, false when none is.
 * @throws Problem `config-invalid`: some are set and some are not; the message lists both kinds.
 */
export function isGroupSet(settings: Settings, group: ConfigGroup): boolean {
  const keys: readonly ConfigKey[] = configGroups[group];
  const missing = keys.filter((key) => settings.get(key) === undefined);
  if (missing.length === 0) return true;
  if (missing.length === keys.length) return false;
  const states = keys.map((key) => `${key} is ${missing.includes(key) ? 'not set' : 'set'}`);
  const remedy = `Set ${missing.join(' and ')} too, or unset the other.`;
  throw new Problem('config-invalid', `${keys.join(' and ')} only work together: ${states.join(', ')}. ${remedy}`);
}
