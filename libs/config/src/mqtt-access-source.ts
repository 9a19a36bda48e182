import { isUtf8 } from 'node:buffer';
import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { basename } from 'node:path';
import { readOperatorFile } from '@sallyport/files';
import { MqttAccess, type MqttAccessRule, Problem } from '@sallyport/protocol';
import { parseMqttAccessRules } from './mqtt-access-rules.js';
import type { Settings } from './settings.js';

const key = 'mqtt.access.rules_path';

// A poll of one file. Unlike a notification it works on every file system, and when the file is replaced or mounted.
const pollMs = 1_000;

/** The access table of this site, which follows the file of its rules. */
export interface LiveMqttAccess {
  readonly access: MqttAccess;
  /** Stops looking at the file. */
  readonly stop: () => void;
}

export interface LiveMqttAccessOptions {
  /** Default: one second. */
  readonly pollMs?: number;
  /** The file has changed, and its rules apply now. */
  readonly onChange: (ruleCount: number) => void;
  /** The file has changed and cannot be used. The rules from before stay. */
  readonly onFault: (problem: Problem) => void;
}

/**
 * The access table with the settings of this site. When the file of `mqtt.access.rules_path` changes, its rules apply
 * within a second or two, to open connections too.
 *
 * @throws Problem `config-invalid`: the file cannot be read, or is not valid; it names line and value
 */
export async function openMqttAccess(settings: Settings, options: LiveMqttAccessOptions): Promise<LiveMqttAccess> {
  const path = settings.get(key);
  const access = await readMqttAccess(settings);
  if (path === undefined) return { access, stop: () => undefined };
  const onChange = (now: Stats, before: Stats): void => {
    if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return;
    void readAgain(access, path, options);
  };
  watchFile(path, { persistent: false, interval: options.pollMs ?? pollMs }, onChange);
  return { access, stop: () => unwatchFile(path, onChange) };
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
    siteRules: path === undefined ? [] : await readRules(path),
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

async function readAgain(access: MqttAccess, path: string, options: LiveMqttAccessOptions): Promise<void> {
  try {
    const rules = await readRules(path);
    access.replaceSiteRules(rules);
    options.onChange(rules.length);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    options.onFault(error);
  }
}

async function readRules(path: string): Promise<MqttAccessRule[]> {
  const reading = await readOperatorFile(path);
  const text = reading.state === 'file' ? textOf(reading.text) : undefined;
  if (text !== undefined) return parseMqttAccessRules(text, basename(path));
  throw new Problem('config-invalid', `${key}: the file ${path} ${reading.fault ?? 'is not UTF-8'}.`);
}

/** Undefined when the bytes are not UTF-8. */
function textOf(latin1: string): string | undefined {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
