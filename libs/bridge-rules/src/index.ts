export { writeBuiltInRules } from './built-in-rules.js';
export { type RuledConnection, ruleDirectory, ruleSourceOf } from './connection-rules.js';
export { type ChangedRule, diffRules, type RuleDiff, ruleText } from './diff-rules.js';
export { compile, type RuleMatcher } from './matcher.js';
export { renderBridgeRulesReference } from './reference.js';
export { type RuleSource, readRuleSet } from './rule-directory.js';
export type { MappedTopic } from './rule-index.js';
export type {
  BridgeRule,
  BridgeSide,
  RuleDirection,
  RuleOrigin,
  RuleSet,
  SkippedRule,
  Travel,
} from './rule-set.js';
