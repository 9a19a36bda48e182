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

/** Everything but the rules, part by part. */
function factsOf({ cloud, local, remote, limits, service, deadLetterPrefix }: BridgePlan): Map<string, unknown> {
  const { commands: _commands, settingNames: _names, ...facts } = cloud;
  const parts = { ...facts, service, deadLetterPrefix, 'session at the local broker': local, limits };
  return new Map<string, unknown>(Object.entries({ ...parts, 'session at the cloud': remote }));
}

/** In the names of settings where there is one for the part. Values are not told: a proxy may have a password. */
function changedFacts(before: BridgePlan, after: BridgePlan): string[] {
  const [old, fresh] = [factsOf(before), factsOf(after)];
  const { settingNames } = after.cloud;
  const wordsOf: Readonly<Record<string, string>> = {
    mqtt: settingNames.url,
    http: settingNames.url,
    deviceId: settingNames.deviceId,
    authMethod: settingNames.authMethod,
    identity: `${settingNames.certPath}, ${settingNames.keyPath}`,
    rootCertPath: settingNames.rootCertPath,
    httpProxy: 'proxy.*',
    limits: 'mqtt.bridge.*',
  };
  const changed = [...fresh].filter(([part, value]) => !isDeepStrictEqual(old.get(part), value));
  return [...new Set(changed.map(([part]) => wordsOf[part] ?? part))];
}
