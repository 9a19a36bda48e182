export { builtInFiles, type CloudName, cloudNames, writeBuiltInRules } from './built-in-rules.js';
export { type RuledConnection, ruleDirectory, ruleSourceOf } from './connection-rules.js';
export { type ChangedRule, diffLines, diffRules, type RuleDiff, ruleText } from './diff-rules.js';
export { compile, type RuleMatcher } from './matcher.js';
export { renderBridgeRulesReference } from './reference.js';
export { type RuleSource, readRuleSet } from './rule-directory.js';
export { type RuleFault, ruleFaultText } from './rule-fault.js';
export { type FileRules, type RuleFile, readRuleFile } from './rule-file.js';
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
export { type ConnectionFacts, cloudVariables, mapperVariables, type SettingValues } from './setting-variables.js';
export type { RuleAuthMethod, RuleVariables, VariableReading, VariableValue } from './variables.js';
