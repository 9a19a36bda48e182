import { type BridgeRule, type BridgeSide, forwards, sourceFilter } from './rule-set.js';
import { filterCovers } from './topic-sets.js';

/** The filters that bring every message a rule may forward from this side, without those that another one covers. */
export function subscriptionFilters(rules: readonly BridgeRule[], side: BridgeSide): string[] {
  const travel = side === 'local' ? 'outbound' : 'inbound';
  const wanted = rules.filter((rule) => forwards(rule, travel)).map((rule) => sourceFilter(rule, travel));
  const distinct = [...new Set(wanted)];
  return distinct.filter((filter) => !distinct.some((other) => other !== filter && filterCovers(other, filter)));
}
