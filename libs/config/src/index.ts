export { type C8yProxyRole, type C8yProxyRule, c8yProxyMethods, parseC8yProxyRules } from './c8y-proxy-rules.js';
export {
  type BuiltInCloud,
  builtInClouds,
  type CloudKind,
  type CloudName,
  parseProfileName,
  readCloudName,
} from './cloud-names.js';
export { type CoapProvider, parseCoapProviders, siteProviderName } from './coap-providers.js';
export { resolveConfigDirectory } from './config-directory.js';
export { ConfigFile, type ConfigFileOptions, type Reading, type WantedSetting } from './config-file.js';
export { type EntranceLevel, EntranceLevels, isLower } from './entrance-levels.js';
export { isEntranceOffered, offeredProfiles } from './entrance-offer.js';
export { cloudProfileIn, type Environment } from './environment.js';
export { withFileLock } from './file-lock.js';
export { requireGroup, type TextKey } from './groups.js';
export {
  cloudOf,
  environmentNameOf,
  findKey,
  isProfiled,
  type KeyReference,
  nameOf,
  similarKeys,
} from './key-names.js';
export type { Source } from './layer.js';
export { type LoadedSettings, type LoadOptions, loadSettings, moveOwnSettingsAtStart } from './load-settings.js';
export { openMqttAccess, readMqttAccess } from './mqtt-access-source.js';
export { type ProcessArguments, processArguments } from './process-arguments.js';
export { describeSetting, renderCommandHelp, renderConfigReference } from './reference.js';
export { type FollowOptions, followRulesFile, type RulesFile, readRulesFile } from './rules-file.js';
export {
  type ConfigKey,
  type ConfigValue,
  type ConfigValues,
  configKeys,
  configSchema,
  describeKey,
  isConfigKey,
} from './schema.js';
export type { DeviceIdReader, Settings } from './settings.js';
export { settingsFileNames } from './settings-file.js';
export { backupFileName } from './settings-writer.js';
export { commandToSet, quoted } from './shell-word.js';
export { isTable, parseToml, type TomlTable } from './toml.js';
export { TomlLines } from './toml-lines.js';
export { valueTypes } from './value-types.js';
