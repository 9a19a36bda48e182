import { isDeepStrictEqual } from 'node:util';
import type { BridgeRule, RuleSet } from './rule-set.js';

/** A rule whose name is in both sets, with another prefix, another order or from another place. */
export interface ChangedRule {
  readonly before: BridgeRule;
  readonly after: BridgeRule;
}

/** What a new set of rules changes. */
export interface RuleDiff {
  readonly added: readonly BridgeRule[];
  readonly removed: readonly BridgeRule[];
  readonly changed: readonly ChangedRule[];
  /** True when the rules that are in both sets stand in another order. The first rule that matches applies. */
  readonly isReordered: boolean;
  /** True when nothing is different for any message. */
  readonly isEmpty: boolean;
}

/** Compares two sets. A rule that only stands on another line has not changed. */
export function diffRules(before: RuleSet, after: RuleSet): RuleDiff {
  const [old, fresh] = [byIdentity(before.rules), byIdentity(after.rules)];
  const removed = [...old].flatMap(([key, rule]) => (fresh.has(key) ? [] : [rule]));
  const added = [...fresh].flatMap(([key, rule]) => (old.has(key) ? [] : [rule]));
  const changed = [...fresh].flatMap(([key, rule]): ChangedRule[] => {
    const former = old.get(key);
    return former === undefined || isSame(former, rule) ? [] : [{ before: former, after: rule }];
  });
  const isReordered = !isDeepStrictEqual(keysIn(old, fresh), keysIn(fresh, old));
  const isEmpty = added.length + removed.length + changed.length === 0 && !isReordered;
  return { added, removed, changed, isReordered, isEmpty };
}

/** A rule in one line: `c8y/s/us/#  ->  s/us/#`. */
export function ruleText({ direction, localFilter, remoteFilter }: BridgeRule): string {
  if (direction === 'outbound') return `${localFilter}  ->  ${remoteFilter}`;
  if (direction === 'inbound') return `${remoteFilter}  ->  ${localFilter}`;
  return `${localFilter}  <->  ${remoteFilter}`;
}

/** Rules by name. A name that stands twice gets a number, so that no rule hides another one. */
function byIdentity(rules: readonly BridgeRule[]): Map<string, BridgeRule> {
  const found = new Map<string, BridgeRule>();
  for (const rule of rules) {
    let number = 1;
    while (found.has(`${rule.name} ${number}`)) number += 1;
    found.set(`${rule.name} ${number}`, rule);
  }
  return found;
}

function keysIn(rules: ReadonlyMap<string, BridgeRule>, others: ReadonlyMap<string, BridgeRule>): string[] {
  return [...rules.keys()].filter((key) => others.has(key));
}

function isSame(one: BridgeRule, other: BridgeRule): boolean {
  return ruleText(one) === ruleText(other) && one.topic === other.topic;
}
