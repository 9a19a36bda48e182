import { isDeepStrictEqual } from 'node:util';
import { diffRules, ruleText } from '@sallyport/bridge-rules';
import type { BridgeChange } from '@sallyport/protocol';
import type { BridgePlan } from './bridge-plan.js';

const noRules = { rules: [], skipped: [], disabledFiles: [], fileCount: 0 };

/**
 * What is different between the bridges that run and those that the settings ask for.
 *
 * @returns a change for each connection that has one, in the order of their names
 */
export function planChanges(
  before: ReadonlyMap<string, BridgePlan>,
  after: ReadonlyMap<string, BridgePlan>,
): BridgeChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return names.flatMap((name) => changeOf(name, before.get(name), after.get(name)) ?? []);
}

function changeOf(
  name: string,
  before: BridgePlan | undefined,
  after: BridgePlan | undefined,
): BridgeChange | undefined {
  const diff = diffRules(before?.rules ?? noRules, after?.rules ?? noRules);
  const rules = {
    added: [...diff.added, ...diff.changed.map((changed) => changed.after)].map(ruleText),
    removed: [...diff.removed, ...diff.changed.map((changed) => changed.before)].map(ruleText),
  };
  if (before === undefined) return { name, change: 'added', settings: [], rules };
  if (after === undefined) return { name, change: 'removed', settings: [], rules };
  const settings = changedFacts(before, after);
  if (settings.length > 0) return { name, change: 'reconnected', settings, rules };
  return diff.isEmpty ? undefined : { name, change: 'rules', settings, rules };
}

/** Names of parts as people know them. The first ones are settings of the connection, and the sessions follow from them. */
function wordsFor({ kind, settingNames }: BridgePlan['cloud']): ReadonlyMap<string, string> {
  const own = (key: string) => (kind === 'custom' ? key : `${kind}.${key}`);
  return new Map([
    ['mqtt', settingNames.url],
    ['http', settingNames.url],
    ['deviceId', settingNames.deviceId],
    ['authMethod', settingNames.authMethod],
    ['identity', `${settingNames.certPath}, ${settingNames.keyPath}`],
    ['rootCertPath', settingNames.rootCertPath],
    ['keepAliveSeconds', own('bridge.keepalive_interval')],
    ['maxPayloadBytes', kind === 'custom' ? 'bridge.max_payload_size' : own('mapper.mqtt.max_payload_size')],
    ['topicPrefix', own('bridge.topic_prefix')],
    ['isCleanSession', own('bridge.clean_session')],
    ['httpProxy', 'proxy.*'],
    ['limits', 'mqtt.bridge.*'],
    ['local', 'session at the local broker'],
    ['remote', 'session at the cloud'],
  ]);
}

/** Everything but the rules, part by part. */
function partsOf({ cloud, local, remote, limits, service, deadLetterPrefix }: BridgePlan): Map<string, unknown> {
  const { commands: _commands, settingNames: _names, ...facts } = cloud;
  return new Map<string, unknown>(Object.entries({ ...facts, service, deadLetterPrefix, limits, local, remote }));
}

/** In the names of settings, without their values: a proxy may have a password. */
function changedFacts(before: BridgePlan, after: BridgePlan): string[] {
  const [old, fresh, words] = [partsOf(before), partsOf(after), wordsFor(after.cloud)];
  const parts = [...fresh].filter(([part, value]) => !isDeepStrictEqual(old.get(part), value)).map(([part]) => part);
  const isSession = (part: string) => part === 'local' || part === 'remote';
  const told = parts.every(isSession) ? parts : parts.filter((part) => !isSession(part));
  return [...new Set(told.map((part) => words.get(part) ?? part))];
}
