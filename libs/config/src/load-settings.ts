import { Problem } from '@sallyport/protocol';
import { type Arguments, readArguments } from './arguments.js';
import { isWritableDirectory, resolveConfigDirectory } from './config-directory.js';
import { deviceIdInForce } from './device-ids.js';
import type { Environment } from './environment.js';
import { problemOf } from './faults.js';
import { isProfiled, type KeyReference } from './key-names.js';
import type { Source } from './layer.js';
import { Resolution, type Resolved } from './resolution.js';
import { riskWarnings } from './risks.js';
import { type ConfigKey, type ConfigValue, type ConfigValues, configKeys, configSchema } from './schema.js';
import type { DeviceIdReader, Settings } from './settings.js';
import { parseSettings, readSettingsTexts } from './settings-file.js';
import { moveOwnSettings } from './settings-writer.js';
import { requireStateMoved } from './state-directory.js';

/** What settings are loaded from. */
export interface LoadOptions {
  /** Value of `--config-dir`; beats `TEDGE_CONFIG_DIR`. */
  readonly configDir?: string;
  readonly env: Environment;
  readonly cwd: string;
  /** Flags of a service, behind the program's name; see `renderCommandHelp`. */
  readonly argv?: readonly string[];
  /** Gives `device.id` the common name of the device certificate when nobody set it. */
  readonly readDeviceId?: DeviceIdReader;
  /** Profile of the cloud the keys under `c8y` are read from, in lower case; left out: those outside of profiles. */
  readonly profile?: string;
}

/** The settings, and what a person should know about them. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** Unknown and deprecated names, risky combinations. */
  readonly warnings: readonly string[];
}

/**
 * Reads all settings. Flags have priority over `TEDGE_*` variables, then come tedge.toml and sallyport.toml, then defaults.
 *
 * It reads its arguments and the settings files only, and keeps nothing. Call it again to reload.
 *
 * @throws Problem `config-invalid`: everything that is wrong, at once; its extension `faults` lists key, place, value
 *   and rule of each.
 * @throws Problem `not-found`: nothing is configured for the profile.
 */
export async function loadSettings(options: LoadOptions): Promise<LoadedSettings> {
  const { argv = [], env, cwd } = options;
  const flags = readArguments(argv, cwd);
  const configDirectory = await directoryOf(options, flags);
  const tables = parseSettings(await readSettingsTexts(configDirectory));
  const isRunWritable = await isWritableDirectory('/run');
  const resolution = new Resolution({ tables, env, cwd, configDirectory, isRunWritable, flags });
  if (resolution.faults.length > 0) throw problemOf(resolution.faults);
  const { readDeviceId = async () => undefined, profile } = options;
  if (profile !== undefined) resolution.requireProfile(profile, 'c8y');
  const settings = new ResolvedSettings(resolution, { directory: configDirectory, profile });
  await requireStateMoved(settings);
  const warnings = await settings.findDeviceIds(readDeviceId);
  return {
    settings,
    warnings: [...resolution.warnings, ...warnings, ...riskWarnings(settings)],
  };
}

function directoryOf({ env, cwd, configDir: given }: LoadOptions, flags: Arguments): Promise<string> {
  const configDir = flags.configDir ?? given;
  return resolveConfigDirectory({ env, cwd, ...(configDir === undefined ? {} : { configDir }) });
}

/**
 * A service calls this before it loads its settings. thin-edge.io would drop settings it does not know from its file, so
 * they are moved out of it. If this process may not write there, they are read from where they are.
 *
 * @returns whether anything moved.
 * @throws Problem `config-invalid`: a flag is wrong, or a settings file cannot be read.
 */
export async function moveOwnSettingsAtStart(options: LoadOptions): Promise<boolean> {
  const directory = await directoryOf(options, readArguments(options.argv ?? [], options.cwd));
  if (!(await isWritableDirectory(directory))) return false;
  try {
    return await moveOwnSettings(directory);
  } catch (error) {
    // The disk is full, or another process does the same. Everything can be read from where it is; the next start tries again.
    if (error instanceof Problem && error.type !== 'config-invalid') return false;
    throw error;
  }
}

interface LoadedFrom {
  readonly directory: string;
  readonly profile: string | undefined;
}

class ResolvedSettings implements Settings {
  readonly directory: string;
  private readonly profile: string | undefined;
  private readonly resolution: Resolution;
  private values: ConfigValues;

  constructor(resolution: Resolution, { directory, profile }: LoadedFrom) {
    this.directory = directory;
    this.profile = profile;
    this.resolution = resolution;
    this.values = configSchema.parse(Object.fromEntries(configKeys.map((key) => [key, this.resolved(key).value])));
  }

  get stateDirectory(): string {
    return this.values['state.path'];
  }

  get dataDirectory(): string {
    return this.values['data.path'];
  }

  get<K extends ConfigKey>(key: K): ConfigValues[K] {
    return this.values[key];
  }

  require<K extends ConfigKey>(key: K): ConfigValue<K> {
    const value = this.values[key];
    if (value !== undefined && value !== null) return value;
    throw new Problem('config-invalid', `The value of ${key} is missing. Set it with: tedge config set ${key} VALUE`);
  }

  ofProfile(profile: string | undefined): Settings {
    if (profile === this.profile) return this;
    return new ResolvedSettings(this.resolution, { directory: this.directory, profile });
  }

  profilesOf(cloud: string): readonly string[] {
    return this.resolution.profilesOf(cloud);
  }

  source(key: ConfigKey): Source {
    return this.resolved(key).source;
  }

  /** Sets the keys of device ids from certificates, unless somebody set them. Returns warnings about the certificates. */
  async findDeviceIds(readDeviceId: DeviceIdReader): Promise<string[]> {
    for (const key of ['device.id', 'c8y.device.id'] as const) {
      const id = await deviceIdInForce(this.resolution, this.reference(key), readDeviceId);
      if (id !== undefined) this.values = { ...this.values, [key]: id };
    }
    if (this.get('device.id') !== undefined || (await readDeviceId(this.get('device.cert_path'))) === undefined)
      return [];
    return ['The common name of the device certificate is no device id, so device.id stays unset.'];
  }

  private resolved(key: ConfigKey): Resolved {
    return this.resolution.resolve(this.reference(key));
  }

  private reference(key: ConfigKey): KeyReference {
    return this.profile !== undefined && isProfiled(key) ? { key, profile: this.profile } : { key };
  }
}
