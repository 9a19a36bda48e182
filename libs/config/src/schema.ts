import { z } from 'zod';
import { adminKeys } from './keys/admin.js';
import { bridgeKeys } from './keys/bridge.js';
import { c8yKeys } from './keys/c8y.js';
import { cloudConnectionKeys } from './keys/cloud.js';
import { coapKeys } from './keys/coap.js';
import { connectorKeys } from './keys/connector.js';
import { deviceKeys } from './keys/device.js';
import { entityKeys } from './keys/entities.js';
import { entranceKeys } from './keys/entrances.js';
import { folderKeys } from './keys/folders.js';
import { healthKeys } from './keys/health.js';
import { httpKeys } from './keys/http.js';
import { mqttKeys } from './keys/mqtt.js';
import { pkiKeys } from './keys/pki.js';
import { registryKeys } from './keys/registry.js';
import { storeKeys } from './keys/store.js';
import { thinEdgeKeys } from './keys/thin-edge.js';
import { cloudKeys } from './keys/thin-edge-clouds.js';
import { descriptionOf, type SettingDescription } from './setting.js';

/**
 * Every setting of Sallyport. Types, validation, environment names, help and the reference page all derive from it.
 * Keys of thin-edge.io keep its names, types and defaults. `isOwn` marks keys that thin-edge.io does not have. `isRead` is
 * false for keys that are kept for thin-edge.io and that nothing here reads.
 */
export const configSchema = z.object({
  ...deviceKeys,
  ...httpKeys,
  ...mqttKeys,
  ...pkiKeys,
  ...entranceKeys,
  ...connectorKeys,
  ...coapKeys,
  ...registryKeys,
  ...adminKeys,
  ...storeKeys,
  ...healthKeys,
  ...cloudConnectionKeys,
  ...bridgeKeys,
  ...c8yKeys,
  ...folderKeys,
  ...entityKeys,
  ...thinEdgeKeys,
  ...cloudKeys,
});

/** All settings at once; a key without default may be missing. */
export type ConfigValues = z.output<typeof configSchema>;

/** Name of a setting, with dots: `http.bind.port`. */
export type ConfigKey = keyof ConfigValues;

/** What programs read for a key that is set. */
export type ConfigValue<K extends ConfigKey> = NonNullable<ConfigValues[K]>;

const keySchema = configSchema.keyof();

/** Every key, grouped as documentation lists them. */
export const configKeys: readonly ConfigKey[] = keySchema.options;

/** True for the exact name of a setting. */
export function isConfigKey(name: string): name is ConfigKey {
  return keySchema.safeParse(name).success;
}

/** Documentation, type and default of a setting. */
export function describeKey(key: ConfigKey): SettingDescription {
  return descriptionOf(configSchema.shape[key]);
}

/** The schema that checks a value typed by a person. */
export function typedSchemaOf(key: ConfigKey): z.ZodType {
  const { isRead, type } = describeKey(key);
  return isRead ? configSchema.shape[key] : type.schema;
}
