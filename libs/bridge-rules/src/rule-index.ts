import { filterMatches, filtersOverlap, serviceTopicRoot } from '@sallyport/protocol';
import { type BridgeRule, sourceFilter, type Travel, targetFilter } from './rule-set.js';

/** A topic on the other side, and the rule that sends it there. */
export interface MappedTopic {
  readonly topic: string;
  readonly rule: BridgeRule;
}

/** What becomes of a topic that a rule matches: one prefix is taken off, the other one is put there. */
interface Route {
  readonly rule: BridgeRule;
  /** Place of the rule in its set. */
  readonly place: number;
  readonly from: string;
  readonly to: string;
  /** The filter of the rule on the other side. */
  readonly target: string;
  /** True when the rule is so wide that a topic may be none of those it means. */
  readonly isWide: boolean;
}

const serviceTopics = `${serviceTopicRoot}/#`;

interface Level {
  readonly children: Map<string, Level>;
  /** The level "+". */
  any?: Level;
  /** Routes of filters that end at this level, first rule first. */
  readonly ending: Route[];
  /** Routes of filters that have "#" below this level. */
  readonly below: Route[];
}

/** Finds the first rule for the topics of one direction, level by level. */
export class RuleIndex {
  private readonly root = emptyLevel();

  /** @param rules with their places in the set; only those that forward this way */
  constructor(rules: readonly (readonly [place: number, rule: BridgeRule])[], travel: Travel) {
    for (const [place, rule] of rules) this.add(sourceFilter(rule, travel), routeOf(rule, place, travel));
  }

  find(topic: string): MappedTopic | undefined {
    // [MQTT-4.7.2-1]: a wildcard at the start matches no topic that starts with "$".
    const start = topic.startsWith('$') ? { ...emptyLevel(), children: this.root.children } : this.root;
    const route = firstBelow(start, topic, 0);
    return route === undefined ? undefined : { topic: mapped(route, topic), rule: route.rule };
  }

  private add(filter: string, route: Route): void {
    let level = this.root;
    for (const name of filter.split('/')) {
      if (name === '#') {
        level.below.push(route);
        return;
      }
      level = name === '+' ? anyOf(level) : childOf(level, name);
    }
    level.ending.push(route);
  }
}

/** @param at offset of the next level of the topic; beyond its end when there is none */
function firstBelow(level: Level, topic: string, at: number): Route | undefined {
  const here = firstFitting(level.below, topic);
  // "a/#" matches "a" too (MQTT 5.0 §4.7.1.2), so `below` counts at the end as well.
  if (at > topic.length) return earlier(here, firstFitting(level.ending, topic));
  const slash = topic.indexOf('/', at);
  const end = slash === -1 ? topic.length : slash;
  const child = level.children.get(topic.slice(at, end));
  const named = child === undefined ? undefined : firstBelow(child, topic, end + 1);
  const any = level.any === undefined ? undefined : firstBelow(level.any, topic, end + 1);
  return earlier(here, earlier(named, any));
}

function firstFitting(routes: readonly Route[], topic: string): Route | undefined {
  return routes.find((route) => fits(route, topic));
}

/** Whether the topic that would be published is one that the rule means, and one that rules may reach. */
function fits(route: Route, topic: string): boolean {
  // "p/#" matches "p" too, where the prefix "p/" is not whole.
  if (!topic.startsWith(route.from)) return false;
  const target = mapped(route, topic);
  // [MQTT-4.7.3-1]: a topic has at least one character. "/#" matches the empty one too, which is its parent level.
  if (target === '') return false;
  // A filter that begins with a wildcard means no topic that begins with "$".
  return !route.isWide || (filterMatches(route.target, target) && !filterMatches(serviceTopics, target));
}

function mapped({ from, to }: Route, topic: string): string {
  return to + topic.slice(from.length);
}

function earlier(one: Route | undefined, other: Route | undefined): Route | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.place < other.place ? one : other;
}

function routeOf(rule: BridgeRule, place: number, travel: Travel): Route {
  const { localPrefix, remotePrefix } = rule;
  const [from, to] = travel === 'outbound' ? [localPrefix, remotePrefix] : [remotePrefix, localPrefix];
  const target = targetFilter(rule, travel);
  const isWide = /^[+#]/.test(target) || filtersOverlap(target, serviceTopics);
  return { rule, place, from, to, target, isWide };
}

function emptyLevel(): Level {
  return { children: new Map(), ending: [], below: [] };
}

function childOf(level: Level, name: string): Level {
  const child = level.children.get(name) ?? emptyLevel();
  level.children.set(name, child);
  return child;
}

function anyOf(level: Level): Level {
  level.any ??= emptyLevel();
  return level.any;
}
