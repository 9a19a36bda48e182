import type { RuleMatcher } from '@sallyport/bridge-rules';
import type { BridgeRules } from './bridge-types.js';

/** The rules of rule files, as a bridge asks them. */
export function matchedRules(matcher: RuleMatcher): BridgeRules {
  return {
    filters: (side) => matcher.filters(side),
    map: (direction, topic) => {
      const mapped = matcher.mapTopic(direction, topic);
      if (mapped === undefined) return undefined;
      const { name, direction: way } = mapped.rule;
      return { topic: mapped.topic, rule: name, isBidirectional: way === 'bidirectional' };
    },
  };
}
