import type { FileWatchTimes } from '@sallyport/files';
import { MqttAccess, type MqttAccessRule, type Problem } from '@sallyport/protocol';
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
  /** The file has changed, and its rules apply now. */
  readonly onChange: (ruleCount: number) => void;
  /** The file has changed and cannot be used. The rules from before stay. */
  readonly onFault: (problem: Problem) => void;
}

/**
 * The access table with the settings of this site. When the file of `mqtt.access.rules_path` changes, its rules apply
 * within two or three seconds, to open connections too.
 *
 * @throws Problem `config-invalid`: the file cannot be read, or is not valid; it names line and value
 */
export async function openMqttAccess(settings: Settings, options: LiveMqttAccessOptions): Promise<LiveMqttAccess> {
  const path = settings.get(key);
  const access = await readMqttAccess(settings);
  if (path === undefined) return { access, stop: () => undefined };
  const stop = followRulesFile(fileAt(path), {
    pollMs: options.pollMs,
    quietMs: options.quietMs,
    onRules: (rules) => {
      access.replaceSiteRules(rules);
      options.onChange(rules.length);
    },
    onFault: options.onFault,
  });
  return { access, stop };
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
    cloudPrefixes: cloudPrefixes(settings),
    gatewayId: settings.get('device.id'),
    siteRules: path === undefined ? [] : await readRulesFile(fileAt(path)),
  });
}

/** Of the three clouds, and of the profiles that have prefixes of their own. */
function cloudPrefixes(settings: Settings): string[] {
  const prefixes = (['c8y', 'az', 'aws'] as const).flatMap((cloud) =>
    [undefined, ...settings.profilesOf(cloud)].map((profile) =>
      settings.ofProfile(profile).get(`${cloud}.bridge.topic_prefix`),
    ),
  );
  return [...new Set(prefixes)];
}

function fileAt(path: string): RulesFile<MqttAccessRule> {
  return { key, path, parse: parseMqttAccessRules };
}
