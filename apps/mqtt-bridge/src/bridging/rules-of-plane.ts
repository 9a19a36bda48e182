import { compile, type RuleSet } from '@sallyport/bridge-rules';
import type { BridgeRules } from '../plane/bridge-types.js';

/** A set of rules as the data plane asks it. */
export function rulesOfPlane(ruleSet: RuleSet): BridgeRules {
  const matcher = compile(ruleSet);
  return {
    filters: (side) => matcher.filters(side),
    map: (direction, topic) => {
      const mapped = matcher.mapTopic(direction, topic);
      if (mapped === undefined) return undefined;
      const { rule } = mapped;
      return { topic: mapped.topic, rule: rule.name, isBidirectional: rule.direction === 'bidirectional' };
    },
  };
}
