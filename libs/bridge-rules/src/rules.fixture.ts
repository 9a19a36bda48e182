import { readRuleFile } from './rule-file.js';
import type { BridgeRule, RuleDirection, RuleSet } from './rule-set.js';
import type { RuleVariables, VariableValue } from './variables.js';

/** Variables with these values, and no others. */
export function variablesOf(
  values: Readonly<Record<string, VariableValue>> = {},
  authMethod: RuleVariables['authMethod'] = 'certificate',
): RuleVariables {
  const read = (space: string) => (key: string) => {
    const value = values[`${space}.${key}`];
    return value === undefined ? { fault: `${space}.${key} has no value.` } : { value };
  };
  return { authMethod, tedge: read('tedge'), mapper: read('mapper') };
}

/** The rules of one file; fails when it has faults. */
export function ruleSetOf(text: string, variables = variablesOf()): RuleSet {
  const { rules, skipped, faults } = readRuleFile({ name: 'rules.toml', text }, variables);
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
  return { rules, skipped, disabledFiles: [], fileCount: 1 };
}

/** A rule without a file: `rule('outbound', 'local/', 'remote/', 'a/#')`. */
export function rule(
  direction: RuleDirection,
  prefixes: readonly [local: string, remote: string],
  topic: string,
): BridgeRule {
  const [localPrefix, remotePrefix] = prefixes;
  const [localFilter, remoteFilter] = [localPrefix + topic, remotePrefix + topic];
  const name = `${direction} ${direction === 'inbound' ? remoteFilter : localFilter}`;
  const origin = { file: 'rules.toml', line: 1 };
  return { name, origin, direction, localPrefix, remotePrefix, topic, localFilter, remoteFilter };
}

/** A set of rules without a file. */
export function setOf(...rules: readonly BridgeRule[]): RuleSet {
  return { rules, skipped: [], disabledFiles: [], fileCount: 1 };
}
