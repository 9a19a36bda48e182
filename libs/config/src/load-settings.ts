import { deviceId, Problem } from '@sallyport/protocol';
import { readArguments } from './arguments.js';
import { isWritableDirectory, resolveConfigDirectory } from './config-directory.js';
import type { Environment } from './environment.js';
import { problemOf } from './faults.js';
import type { Source } from './layer.js';
import { Resolution } from './resolution.js';
import { riskWarnings } from './risks.js';
import { type ConfigKey, type ConfigValue, type ConfigValues, configKeys, configSchema } from './schema.js';
import type { DeviceIdReader, Settings } from './settings.js';
import { readSettingsText, settingsFileName } from './settings-file.js';
import { parseToml } from './toml.js';

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
}

/**
 * Reads all settings: flags beat `TEDGE_*` variables, those beat tedge.toml, that beats the defaults.
 *
 * Reads nothing but its arguments and the settings file, and keeps nothing: call it again to reload.
 *
 * @returns the settings and what a person should know about them (unknown and deprecated names, risky combinations).
 * @throws Problem `config-invalid`: everything that is wrong, at once; its extension `faults` lists key, place, value
 *   and rule of each.
 */
export async function loadSettings(options: LoadOptions): Promise<{ settings: Settings; warnings: string[] }> {
  const { argv = [], env, cwd } = options;
  const flags = readArguments(argv, cwd);
  const configDir = flags.configDir ?? options.configDir;
  const configDirectory = await resolveConfigDirectory({ env, cwd, ...(configDir === undefined ? {} : { configDir }) });
  const table = parseToml(await readSettingsText(configDirectory), settingsFileName);
  const isRunWritable = await isWritableDirectory('/run');
  const resolution = new Resolution({ table, env, cwd, configDirectory, isRunWritable, flags });
  if (resolution.faults.length > 0) throw problemOf(resolution.faults);
  const stored = Object.fromEntries(configKeys.map((key) => [key, resolution.resolve({ key }).value]));
  const { values, warnings } = await withDeviceId(configSchema.parse(stored), options.readDeviceId);
  const settings = new LoadedSettings(values, resolution, configDirectory);
  return { settings, warnings: [...resolution.warnings, ...warnings, ...riskWarnings(settings)] };
}

// An explicit id wins over the certificate, as in thin-edge.io's mapper and against its older global reader: what an
// administrator typed is never replaced by the content of a file somebody else may write.
async function withDeviceId(values: ConfigValues, readDeviceId: DeviceIdReader = async () => undefined) {
  if (values['device.id'] !== undefined) return { values, warnings: [] };
  const commonName = await readDeviceId(values['device.cert_path']);
  if (commonName === undefined) return { values, warnings: [] };
  const id = deviceId.safeParse(commonName);
  if (id.success) return { values: { ...values, 'device.id': id.data }, warnings: [] };
  return { values, warnings: ['The common name of the device certificate is no device id, so device.id stays unset.'] };
}

class LoadedSettings implements Settings {
  readonly directory: string;
  readonly #values: ConfigValues;
  readonly #resolution: Resolution;

  constructor(values: ConfigValues, resolution: Resolution, directory: string) {
    this.directory = directory;
    this.#values = values;
    this.#resolution = resolution;
  }

  get dataDirectory(): string {
    return this.#values['data.path'];
  }

  get<K extends ConfigKey>(key: K): ConfigValues[K] {
    return this.#values[key];
  }

  require<K extends ConfigKey>(key: K): ConfigValue<K> {
    const value = this.#values[key];
    if (value !== undefined && value !== null) return value;
    throw new Problem('config-invalid', `The value of ${key} is missing. Set it with: tedge config set ${key} VALUE`);
  }

  source(key: ConfigKey): Source {
    return this.#resolution.resolve({ key }).source;
  }
}
