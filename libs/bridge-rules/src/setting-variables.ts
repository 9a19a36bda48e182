import {
  type BuiltInCloud,
  type ConfigKey,
  isConfigKey,
  isTable,
  type Settings,
  type TomlTable,
} from '@sallyport/config';
import type { RuleAuthMethod, RuleVariables, VariableReading } from './variables.js';

/**
 * Settings that rules may read: ids, hosts, prefixes, templates, switches and limits. A rule puts a value into a topic, and
 * topics leave the device. So paths, keys, PINs, passwords and addresses to listen on are not among them.
 *
 * @see thin-edge.io "config exposure": the same settings are published for everybody on the broker
 */
const readableKeys: readonly RegExp[] = [
  /^device\.(?:id|type)$/,
  /^mqtt\.(?:topic_root|device_topic_id)$/,
  /^(?:mqtt|http)\.client\.(?:host|port)$/,
  /^service\.type$/,
  /^agent\.enable\.\w+$/,
  /^(?:c8y|az|aws)\.(?:url|topics|device\.id|bridge\.topic_prefix|mapper\.mqtt\.max_payload_size)$/,
  /^c8y\.(?:http|mqtt|enable\.\w+|availability\.enable|proxy\.client\.(?:host|port))$/,
  /^c8y\.(?:smartrest1?\.templates|smartrest\.use_operation_id|mqtt_service\.(?:enabled|topics))$/,
];

/** Whether rules may read a setting. */
export function isReadable(key: ConfigKey): boolean {
  return readableKeys.some((readable) => readable.test(key));
}

/** Names of own keys of a mapper.toml that may be secrets, or say where they are. */
const secretName = /(?:^|_)(?:path|file|dir|key|pin|uri|password|passwd|username|secret|token|credentials?)(?:$|_)/i;

/** What the settings are read from: those of the profile, where the rules are those of a profile. */
export type SettingValues = Pick<Settings, 'get'>;

/** What is known of a connection beyond the settings. */
export interface ConnectionFacts {
  readonly authMethod: RuleAuthMethod;
  /** Identity of the device in the cloud, which may come from its certificate: `${mapper.device.id}`. */
  readonly deviceId: string | undefined;
}

/** The variables of the rules of a cloud: `${mapper.url}` is the setting `c8y.url`. */
export function cloudVariables(settings: SettingValues, cloud: BuiltInCloud, facts: ConnectionFacts): RuleVariables {
  const { authMethod, deviceId } = facts;
  return {
    authMethod,
    tedge: (key) => settingReading(settings, key, `tedge.${key}`),
    mapper: (key) => deviceIdReading(key, deviceId) ?? settingReading(settings, `${cloud}.${key}`, `mapper.${key}`),
  };
}

/** The variables of a mapper of the site: `${mapper.a.b}` is `b` below `[a]` of its mapper.toml. */
export function mapperVariables(settings: SettingValues, mapper: TomlTable, facts: ConnectionFacts): RuleVariables {
  const { authMethod, deviceId } = facts;
  return {
    authMethod,
    tedge: (key) => settingReading(settings, key, `tedge.${key}`),
    mapper: (key) => deviceIdReading(key, deviceId) ?? mapperReading(mapper, key),
  };
}

function deviceIdReading(key: string, deviceId: string | undefined): VariableReading | undefined {
  return key === 'device.id' && deviceId !== undefined ? { value: deviceId } : undefined;
}

function settingReading(settings: SettingValues, key: string, variable: string): VariableReading {
  if (!isConfigKey(key)) return { fault: `\${${variable}} names no setting. List them: sallyport config list --all` };
  if (!isReadable(key))
    return {
      fault: `\${${variable}} cannot be used: rules may read no paths, keys, passwords and addresses to listen on.`,
    };
  const reading = valueReading(settings.get(key), variable);
  return reading ?? { fault: `\${${variable}} has no value. Set it: sallyport config set ${key} VALUE` };
}

function mapperReading(mapper: TomlTable, key: string): VariableReading {
  if (key.split('.').some((name) => secretName.test(name)))
    return { fault: `\${mapper.${key}} cannot be used: its name says that it is a secret, or where one is.` };
  const reading = valueReading(valueAt(mapper, key.split('.')), `mapper.${key}`);
  return reading ?? { fault: `\${mapper.${key}} has no value. Write ${key} in mapper.toml.` };
}

function valueAt(table: TomlTable, path: readonly string[]): unknown {
  let value: unknown = table;
  for (const name of path) value = isTable(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

/** Undefined when there is no value. */
function valueReading(value: unknown, variable: string): VariableReading | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'boolean') return { value };
  if (typeof value === 'number' || typeof value === 'bigint') return { value: String(value) };
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return { value };
  return { fault: `\${${variable}} is no text, number, switch or list of texts.` };
}
