import { errorCode, type FileWatchTimes } from '@sallyport/files';
import { MqttAccess, type MqttAccessRule, Problem } from '@sallyport/protocol';
import { cloudPrefixes } from './cloud-prefixes.js';
import { parseMqttAccessRules } from './mqtt-access-rules.js';
import { followRulesFile, type RulesFile, readRulesFile } from './rules-file.js';
import type { Settings } from './settings.js';

const key = 'mqtt.access.rules_path';

/** The access table of this site, which follows the file of its rules. */
export interface LiveMqttAccess {
  readonly access: MqttAccess;
  /** Stops looking at the file. */
  readonly stop: () => void;
}

export interface LiveMqttAccessOptions extends FileWatchTimes {
  /** The settings of the moment: a new profile has a topic prefix of its own. */
  readonly readSettings: () => Promise<Settings>;
  /** Between two looks at the settings and the user-defined mappers; default five seconds. */
  readonly prefixPollMs?: number;
  /** The file has changed, and its rules apply now. */
  readonly onChange: (ruleCount: number) => void;
  /** The file has changed and cannot be used. The rules from before stay. */
  readonly onFault: (problem: Problem) => void;
}

/**
 * The access table with the settings of this site. When the file of `mqtt.access.rules_path` changes, its rules apply
 * within two or three seconds, to open connections too; and a new topic prefix, of a cloud, a profile or a user-defined
 * mapper, within some seconds.
 *
 * @throws Problem `config-invalid`: the file cannot be read, or is not valid; it names line and value
 */
export async function openMqttAccess(settings: Settings, options: LiveMqttAccessOptions): Promise<LiveMqttAccess> {
  const path = settings.get(key);
  const access = await readMqttAccess(settings);
  const stopPrefixes = followPrefixes(access, options);
  if (path === undefined) return { access, stop: stopPrefixes };
  const stopRules = followRulesFile(fileAt(path), {
    pollMs: options.pollMs,
    quietMs: options.quietMs,
    onRules: (rules) => {
      access.replaceSiteRules(rules);
      options.onChange(rules.length);
    },
    onFault: options.onFault,
  });
  const stop = (): void => {
    stopPrefixes();
    stopRules();
  };
  return { access, stop };
}

function followPrefixes(access: MqttAccess, { readSettings, prefixPollMs = 5_000 }: LiveMqttAccessOptions): () => void {
  const look = async (): Promise<void> => {
    const settings = await settingsNow(readSettings);
    if (settings !== undefined) access.replaceCloudPrefixes(await cloudPrefixes(settings));
  };
  const timer = setInterval(() => void look(), prefixPollMs).unref();
  return () => clearInterval(timer);
}

/** Undefined while a file of settings cannot be used; those who need more of it tell that. */
async function settingsNow(readSettings: () => Promise<Settings>): Promise<Settings | undefined> {
  try {
    return await readSettings();
  } catch (error) {
    if (error instanceof Problem || errorCode(error) !== undefined) return undefined;
    throw error;
  }
}

/**
 * The access table with the settings of this site, as they are now.
 *
 * @throws Problem `config-invalid`: as `openMqttAccess` says
 */
export async function readMqttAccess(settings: Settings): Promise<MqttAccess> {
  const path = settings.get(key);
  return new MqttAccess({
    topicRoot: settings.get('mqtt.topic_root'),
    cloudPrefixes: await cloudPrefixes(settings),
    gatewayId: settings.get('device.id'),
    siteRules: path === undefined ? [] : await readRulesFile(fileAt(path)),
  });
}

function fileAt(path: string): RulesFile<MqttAccessRule> {
  return { key, path, parse: parseMqttAccessRules };
}
