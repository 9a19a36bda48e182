import { type MappedTopic, RuleIndex } from './rule-index.js';
import { type BridgeRule, type BridgeSide, forwards, type RuleSet, type Travel } from './rule-set.js';
import { subscriptionFilters } from './subscriptions.js';

/** The rules of a set, ready for the data plane. */
export interface RuleMatcher {
  readonly ruleSet: RuleSet;
  /**
   * What becomes of a message, by the first rule that matches. It keeps nothing: the data plane remembers the answers for
   * the topics it sees often.
   *
   * @param topic a valid topic name
   * @returns undefined: no rule matches, so the message is acknowledged and dropped. The topic may be too long for MQTT.
   */
  mapTopic(travel: Travel, topic: string): MappedTopic | undefined;
  /**
   * The filters to subscribe to at a broker. None of them covers another one. Two may still overlap (`a/+` and `+/b`),
   * and then a broker may deliver a message twice.
   */
  filters(side: BridgeSide): readonly string[];
}

/** Makes a set of rules ready for matching. It does not change afterwards. */
export function compile(ruleSet: RuleSet): RuleMatcher {
  const { rules } = ruleSet;
  const index = { outbound: indexOf(rules, 'outbound'), inbound: indexOf(rules, 'inbound') };
  const filters = { local: subscriptionFilters(rules, 'local'), remote: subscriptionFilters(rules, 'remote') };
  return {
    ruleSet,
    mapTopic: (travel, topic) => index[travel].find(topic),
    filters: (side) => filters[side],
  };
}

function indexOf(rules: readonly BridgeRule[], travel: Travel): RuleIndex {
  return new RuleIndex(
    [...rules.entries()].filter(([, rule]) => forwards(rule, travel)),
    travel,
  );
}
