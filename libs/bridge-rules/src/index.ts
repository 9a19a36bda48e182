export { type ChangedRule, diffLines, diffRules, type RuleDiff, ruleText } from './diff-rules.js';
export { compile, type MappedTopic, type RuleMatcher } from './matcher.js';
export type { Route } from './route-index.js';
export type {
  BridgeRule,
  BridgeSide,
  RuleDirection,
  RuleOrigin,
  RuleSet,
  SkippedRule,
  Travel,
} from './rule-set.js';
