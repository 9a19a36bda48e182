import type { Source } from './layer.js';
import type { ConfigKey, ConfigValue, ConfigValues } from './schema.js';

/** Finds the device id in the certificate at a path; undefined when there is no readable certificate. */
export type DeviceIdReader = (certificatePath: string) => Promise<string | undefined>;

/** The settings of one moment; load them again to see later changes. */
export interface Settings {
  /** The value programs read (durations in seconds, sizes in bytes); undefined when unset and without default. */
  get<K extends ConfigKey>(key: K): ConfigValues[K];
  /** The value of a key that must be set. Throws Problem `config-invalid` with the command that sets it. */
  require<K extends ConfigKey>(key: K): ConfigValue<K>;
  /** Where the value comes from; `default` for a key that is unset. */
  source(key: ConfigKey): Source;
  /**
   * The same moment as a profile of the clouds sees it: each cloud key has the value of that profile. `undefined` is for
   * the values outside of profiles. Nobody need have given the profile a value.
   */
  ofProfile(profile: string | undefined): Settings;
  /** Names of the profiles of a cloud (`c8y`, `az`, `aws`) that somebody gave a value, sorted. */
  profilesOf(cloud: string): readonly string[];
  /** The configuration directory, absolute. */
  readonly directory: string;
  /** The value of `state.path`. */
  readonly stateDirectory: string;
  /** The value of `data.path`. */
  readonly dataDirectory: string;
}
