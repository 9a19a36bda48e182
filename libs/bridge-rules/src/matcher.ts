import { latin1, type Route, RouteIndex } from './route-index.js';
import { type BridgeRule, type BridgeSide, forwards, type RuleSet, type Travel } from './rule-set.js';
import { subscriptionFilters } from './subscriptions.js';

/** Where a message goes, in words of people: topic as text, and the rule. */
export interface MappedTopic {
  readonly topic: string;
  readonly rule: BridgeRule;
}

/** The rules of a set, ready for the data plane. */
export interface RuleMatcher {
  readonly ruleSet: RuleSet;
  /**
   * What becomes of a message, by the first rule that matches.
   *
   * @param topic a valid topic name: UTF-8 bytes read as latin1 (`buffer.toString('latin1')`)
   * @returns undefined: no rule matches, so the message is acknowledged and dropped
   */
  route(travel: Travel, topic: string): Route | undefined;
  /** As `route`, with topics as text. */
  mapTopic(travel: Travel, topic: string): MappedTopic | undefined;
  /**
   * The filters to subscribe to at a broker. None of them covers another one. Two may still overlap (`a/+` and `+/b`),
   * and then a broker may deliver a message twice.
   */
  filters(side: BridgeSide): readonly string[];
}

// Devices publish to the same topics again and again. Longer topics are looked up each time, so the memory is bounded.
const mostRemembered = 1_024;
const longestRemembered = 256;

/** Makes a set of rules ready for matching. It does not change afterwards. */
export function compile(ruleSet: RuleSet): RuleMatcher {
  return new CompiledRules(ruleSet);
}

class CompiledRules implements RuleMatcher {
  readonly ruleSet: RuleSet;
  private readonly outbound: RememberingIndex;
  private readonly inbound: RememberingIndex;
  private readonly subscriptions: Readonly<Record<BridgeSide, readonly string[]>>;

  constructor(ruleSet: RuleSet) {
    this.ruleSet = ruleSet;
    this.outbound = indexOf(ruleSet.rules, 'outbound');
    this.inbound = indexOf(ruleSet.rules, 'inbound');
    this.subscriptions = {
      local: subscriptionFilters(ruleSet.rules, 'local'),
      remote: subscriptionFilters(ruleSet.rules, 'remote'),
    };
  }

  route(travel: Travel, topic: string): Route | undefined {
    return travel === 'outbound' ? this.outbound.find(topic) : this.inbound.find(topic);
  }

  mapTopic(travel: Travel, topic: string): MappedTopic | undefined {
    const bytes = latin1(topic);
    const route = this.route(travel, bytes);
    const rule = route === undefined ? undefined : this.ruleSet.rules[route.rule];
    if (route === undefined || rule === undefined) return undefined;
    return { topic: Buffer.from(route.prefix + bytes.slice(route.cut), 'latin1').toString(), rule };
  }

  filters(side: BridgeSide): readonly string[] {
    return this.subscriptions[side];
  }
}

function indexOf(rules: readonly BridgeRule[], travel: Travel): RememberingIndex {
  const entries = [...rules.entries()].filter(([, rule]) => forwards(rule, travel));
  return new RememberingIndex(new RouteIndex(entries, travel));
}

/** Remembers the answers for topics that were asked for lately. */
class RememberingIndex {
  private readonly remembered = new Map<string, Route | undefined>();

  constructor(private readonly index: RouteIndex) {}

  find(topic: string): Route | undefined {
    const known = this.remembered.get(topic);
    if (known !== undefined) return known;
    const route = this.index.find(topic);
    if (route !== undefined && topic.length <= longestRemembered) this.remember(topic, route);
    return route;
  }

  private remember(topic: string, route: Route): void {
    if (this.remembered.size >= mostRemembered) this.remembered.clear();
    this.remembered.set(topic, route);
  }
}
