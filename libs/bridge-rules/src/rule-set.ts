/** Which way a message goes: `outbound` from the local broker to the cloud, `inbound` back. */
export type Travel = 'outbound' | 'inbound';

/** Which way a rule forwards: one of the two, or both. */
export type RuleDirection = Travel | 'bidirectional';

/** One of the two brokers of a bridge. */
export type BridgeSide = 'local' | 'remote';

/** Where a rule is written, for people. */
export interface RuleOrigin {
  /** Name of the file in its folder, such as `mqtt-core.toml`. */
  readonly file: string;
  /** Line of its `[[rule]]` or `[[template_rule]]`, from 1. */
  readonly line: number;
}

/** A rule in force: everything in it is checked, and all variables have their values. */
export interface BridgeRule {
  /** Direction and filter of the source, such as `outbound c8y/s/us/#`; fit for a label of a metric. */
  readonly name: string;
  readonly origin: RuleOrigin;
  readonly direction: RuleDirection;
  /** Ends in `/`, or is empty. If `topic` is empty, it is the whole local topic. */
  readonly localPrefix: string;
  readonly remotePrefix: string;
  /** The topic filter behind both prefixes. Empty: exactly one topic is mapped to another one. */
  readonly topic: string;
  readonly localFilter: string;
  readonly remoteFilter: string;
}

/** A rule that is written, but not in force. */
export interface SkippedRule {
  readonly origin: RuleOrigin;
  /** Why, in a sentence: `${connection.auth_method} is 'certificate'.` */
  readonly reason: string;
}

/** The rules of a bridge. Their order counts: the first rule that matches a message is the only one that applies. */
export interface RuleSet {
  readonly rules: readonly BridgeRule[];
  readonly skipped: readonly SkippedRule[];
  /** Names of files that a `.disabled` marker turns off. */
  readonly disabledFiles: readonly string[];
  /** How many files the rules were read from. */
  readonly fileCount: number;
}

/** The filter that a rule subscribes to on the side a message comes from. */
export function sourceFilter(rule: BridgeRule, travel: Travel): string {
  return travel === 'outbound' ? rule.localFilter : rule.remoteFilter;
}

/** The filter that all topics match that a rule publishes to on the other side. */
export function targetFilter(rule: BridgeRule, travel: Travel): string {
  return travel === 'outbound' ? rule.remoteFilter : rule.localFilter;
}

/** Whether a rule forwards messages that go this way. */
export function forwards(rule: BridgeRule, travel: Travel): boolean {
  return rule.direction === travel || rule.direction === 'bidirectional';
}
