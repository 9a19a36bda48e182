import type { FileWatchTimes } from '@sallyport/files';
import { MqttAccess, type MqttAccessRule, type Problem } from '@sallyport/protocol';
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
  /** Between two looks at the user-defined mappers; default five seconds. */
  readonly mapperPollMs?: number;
  /** The file has changed, and its rules apply now. */
  readonly onChange: (ruleCount: number) => void;
  /** The file has changed and cannot be used. The rules from before stay. */
  readonly onFault: (problem: Problem) => void;
}

/**
 * The access table with the settings of this site. When the file of `mqtt.access.rules_path` changes, its rules apply
 * within two or three seconds, to open connections too; and a new user-defined mapper within some seconds.
 *
 * @throws Problem `config-invalid`: the file cannot be read, or is not valid; it names line and value
 */
export async function openMqttAccess(settings: Settings, options: LiveMqttAccessOptions): Promise<LiveMqttAccess> {
  const path = settings.get(key);
  const access = await readMqttAccess(settings);
  const stopMappers = followMappers(settings, access, options.mapperPollMs ?? 5_000);
  if (path === undefined) return { access, stop: stopMappers };
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
    stopMappers();
    stopRules();
  };
  return { access, stop };
}

function followMappers(settings: Settings, access: MqttAccess, pollMs: number): () => void {
  const look = async (): Promise<void> => access.replaceCloudPrefixes(await cloudPrefixes(settings));
  const timer = setInterval(() => void look(), pollMs).unref();
  return () => clearInterval(timer);
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
