import { type BridgeRule, sourceFilter, type Travel } from './rule-set.js';

/**
 * What becomes of a topic that a rule matches: `cut` bytes are taken off its front, and `prefix` is put there.
 *
 * All texts are UTF-8 bytes read as latin1, as the topic in a frame is read most cheaply.
 */
export interface Route {
  /** Index of the rule in its set. */
  readonly rule: number;
  /** True when messages may come back by the same rule. */
  readonly isBidirectional: boolean;
  /** Bytes of the prefix on the side the message comes from. */
  readonly cut: number;
  /** The prefix on the other side. */
  readonly prefix: string;
  /** The same in bytes; not to be changed. */
  readonly prefixBytes: Uint8Array;
}

// MQTT 5.0 §1.5.4: a topic name has at most 65,535 bytes.
const mostTopicBytes = 65_535;

interface IndexedRoute extends Route {
  /** Nothing of this rule may begin with "$" on the other side, because its filter there begins with a wildcard. */
  readonly refusesDollar: boolean;
}

interface Level {
  readonly children: Map<string, Level>;
  any?: Level;
  /** Routes of filters that end at this level, first rule first. */
  readonly ending: IndexedRoute[];
  /** Routes of filters that have "#" below this level. */
  readonly below: IndexedRoute[];
}

/** Finds the first rule for a topic, level by level; it works on UTF-8 bytes read as latin1. */
export class RouteIndex {
  private readonly root = emptyLevel();

  /** @param rules with their indexes in the set; only those that forward this way */
  constructor(rules: readonly (readonly [index: number, rule: BridgeRule])[], travel: Travel) {
    for (const [index, rule] of rules) this.add(sourceFilter(rule, travel), routeOf(rule, index, travel));
  }

  find(topic: string): Route | undefined {
    // [MQTT-4.7.2-1]: a wildcard at the start matches no topic that starts with "$".
    const first = topic.charCodeAt(0) === dollar ? { ...this.root, below: [], any: undefined } : this.root;
    return bestBelow(first, topic, 0);
  }

  private add(filter: string, route: IndexedRoute): void {
    let level = this.root;
    for (const name of latin1(filter).split('/')) {
      if (name === '#') {
        level.below.push(route);
        return;
      }
      level = name === '+' ? anyOf(level) : childOf(level, name);
    }
    level.ending.push(route);
  }
}

const dollar = '$'.charCodeAt(0);

/** A level without `any` where topics that begin with "$" start. */
type LevelView = Pick<Level, 'children' | 'ending' | 'below'> & { readonly any?: Level | undefined };

/** @param at offset of the next level of the topic; beyond its end when there is none */
function bestBelow(level: LevelView, topic: string, at: number): IndexedRoute | undefined {
  const here = firstFitting(level.below, topic);
  // "a/#" matches "a" too (MQTT 5.0 §4.7.1.2), so `below` counts at the end as well.
  if (at > topic.length) return earlier(here, firstFitting(level.ending, topic));
  const slash = topic.indexOf('/', at);
  const end = slash === -1 ? topic.length : slash;
  const child = level.children.get(topic.slice(at, end));
  const named = child === undefined ? undefined : bestBelow(child, topic, end + 1);
  const any = level.any === undefined ? undefined : bestBelow(level.any, topic, end + 1);
  return earlier(here, earlier(named, any));
}

function firstFitting(routes: readonly IndexedRoute[], topic: string): IndexedRoute | undefined {
  for (const route of routes) if (fits(route, topic)) return route;
  return undefined;
}

/** Whether the topic that would be published is one that the rule means: it matches the filter of the rule there. */
function fits({ cut, prefix, refusesDollar }: IndexedRoute, topic: string): boolean {
  const rest = topic.length - cut;
  // "p/#" matches "p" too, where the prefix "p/" is not whole. An empty topic cannot be published.
  if (rest < 0 || rest + prefix.length === 0 || rest + prefix.length > mostTopicBytes) return false;
  return !refusesDollar || topic.charCodeAt(cut) !== dollar;
}

function earlier(one: IndexedRoute | undefined, other: IndexedRoute | undefined): IndexedRoute | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.rule < other.rule ? one : other;
}

function routeOf(rule: BridgeRule, index: number, travel: Travel): IndexedRoute {
  const [from, to] =
    travel === 'outbound' ? [rule.localPrefix, rule.remotePrefix] : [rule.remotePrefix, rule.localPrefix];
  return {
    rule: index,
    isBidirectional: rule.direction === 'bidirectional',
    cut: latin1(from).length,
    prefix: latin1(to),
    prefixBytes: Buffer.from(to),
    refusesDollar: to === '' && /^[+#]/.test(rule.topic),
  };
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

/** UTF-8 bytes of a text, each as one character. */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
