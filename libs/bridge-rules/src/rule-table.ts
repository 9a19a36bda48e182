import type { TomlTable } from '@sallyport/config';
import { type ConditionReading, readCondition } from './condition.js';
import { checkRule, type KeyFault, type RuleParts } from './rule-checks.js';
import type { RuleDirection } from './rule-set.js';
import { expandText, type RuleVariables, readVariable } from './variables.js';

/** How the tables of rules are called, in the order in which their rules apply. */
export const ruleKinds = ['rule', 'template_rule'] as const;
export type RuleKind = (typeof ruleKinds)[number];

/** A prefix with its value; or it is not there; or it is wrong, and that is reported. */
export type PrefixReading = { readonly text: string } | 'absent' | 'wrong';

/** What the tables of a file have in common. */
export interface TableContext {
  readonly variables: RuleVariables;
  readonly localPrefix: PrefixReading;
  readonly remotePrefix: PrefixReading;
}

/** What a table says. */
export interface TableReading {
  /** The rules it makes, also when it is off. */
  readonly rules: readonly RuleParts[];
  /** Why it is off; undefined when it is on. */
  readonly offReason: string | undefined;
  readonly faults: readonly KeyFault[];
}

const ruleKeys = ['topic', 'direction', 'local_prefix', 'remote_prefix', 'if'];
const knownKeys: Readonly<Record<RuleKind, readonly string[]>> = {
  rule: ruleKeys,
  template_rule: ['for', ...ruleKeys],
};

// One template makes as many rules as its list has items.
const mostItems = 256;

/** Reads a `[[rule]]` or `[[template_rule]]`, with everything that is wrong in it. */
export function readRuleTable(table: TomlTable, kind: RuleKind, context: TableContext): TableReading {
  return new RuleTableReader(table, kind, context).read();
}

/** The value of a key that must be a text. */
export function textIn(table: TomlTable, key: string): { text: string | undefined; faults: KeyFault[] } {
  const value = table[key];
  if (value === undefined || typeof value === 'string') return { text: value, faults: [] };
  return { text: undefined, faults: [{ key, message: `${key} is not a text. Write it in quotes.` }] };
}

/** Reads a prefix, of a file or a rule. */
export function readPrefix(table: TomlTable, key: string, variables: RuleVariables): [PrefixReading, KeyFault[]] {
  const { text, faults } = textIn(table, key);
  if (text === undefined) return [faults.length > 0 ? 'wrong' : 'absent', faults];
  const expanded = expandText(text, variables);
  if (expanded.text !== undefined) return [{ text: expanded.text }, []];
  return ['wrong', expanded.faults.map((fault) => ({ key, message: `${key}: ${fault}` }))];
}

/** Reads the `if` of a file or a rule; undefined when there is none, or when it is wrong. */
export function conditionIn(table: TomlTable, variables: RuleVariables): [ConditionReading | undefined, KeyFault[]] {
  const { text, faults } = textIn(table, 'if');
  if (text === undefined) return [undefined, faults];
  const reading = readCondition(text, variables);
  if (reading.fault === undefined) return [reading, []];
  return [undefined, [{ key: 'if', message: `if = ${JSON.stringify(text)}: ${reading.fault}` }]];
}

class RuleTableReader {
  private readonly faults: KeyFault[] = [];

  constructor(
    private readonly table: TomlTable,
    private readonly kind: RuleKind,
    private readonly context: TableContext,
  ) {}

  /** Reads every key before it gives up, so that all faults are reported together. */
  read(): TableReading {
    this.refuseUnknownKeys();
    const [condition, conditionFaults] = conditionIn(this.table, this.context.variables);
    this.faults.push(...conditionFaults);
    const items = this.kind === 'rule' ? [undefined] : this.items();
    const direction = this.direction();
    const [localPrefix, remotePrefix] = [this.prefix('local_prefix'), this.prefix('remote_prefix')];
    const topics = this.topics(items);
    const rules: RuleParts[] = [];
    if (direction !== undefined && localPrefix !== undefined && remotePrefix !== undefined)
      rules.push(...this.checked(topics.map((topic) => ({ direction, topic, localPrefix, remotePrefix }))));
    const isEmpty = items.length === 0 && this.faults.length === 0;
    const offReason = condition?.reason ?? (isEmpty ? 'The list of "for" is empty.' : undefined);
    return { rules: isEmpty ? [] : rules, offReason, faults: this.faults };
  }

  private refuseUnknownKeys(): void {
    const known = knownKeys[this.kind];
    for (const key of Object.keys(this.table))
      if (!known.includes(key)) this.fault(key, `"${key}" is not known. Use ${known.join(', ')}.`);
  }

  private direction(): RuleDirection | undefined {
    const { direction } = this.table;
    if (direction === 'inbound' || direction === 'outbound' || direction === 'bidirectional') return direction;
    this.fault('direction', 'direction must be "inbound", "outbound" or "bidirectional".');
    return undefined;
  }

  private prefix(key: 'local_prefix' | 'remote_prefix'): string | undefined {
    const [own, faults] = readPrefix(this.table, key, this.context.variables);
    this.faults.push(...faults);
    const ofFile = key === 'local_prefix' ? this.context.localPrefix : this.context.remotePrefix;
    const prefix = own === 'absent' ? ofFile : own;
    if (prefix === 'absent') this.fault(key, `${key} is missing. Write it here, or once above all rules.`);
    return typeof prefix === 'string' ? undefined : prefix.text;
  }

  /** The topic of each item. The topic of an empty list is read too, for its faults. */
  private topics(items: readonly (string | undefined)[]): string[] {
    const { text, faults } = textIn(this.table, 'topic');
    this.faults.push(...faults);
    if (text === undefined && faults.length === 0)
      this.fault('topic', 'topic is missing. Write topic = "" for one exact topic.');
    if (text === undefined) return [];
    const topics: string[] = [];
    for (const item of items.length === 0 ? ['item'] : items) {
      const expanded = expandText(text, this.context.variables, item);
      if (expanded.text === undefined) {
        for (const fault of expanded.faults) this.fault('topic', `topic: ${fault}`);
        // Every item would repeat the fault.
        return topics;
      }
      topics.push(expanded.text);
    }
    return topics;
  }

  private items(): readonly string[] {
    const { for: list } = this.table;
    if (list === undefined) this.fault('for', 'for is missing. Write a list of texts, or the variable of one.');
    const items = typeof list === 'string' ? this.itemsNamed(list) : list;
    if (items === undefined) return [];
    if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) {
      this.fault('for', 'for must be a list of texts, or the variable of a setting that is one.');
      return [];
    }
    if (items.length > mostItems) this.fault('for', `for has ${items.length} items; ${mostItems} may be used.`);
    return items.slice(0, mostItems);
  }

  private itemsNamed(text: string): unknown {
    const [, name] = /^\s*\$\{([^{}]*)\}\s*$/.exec(text) ?? [];
    if (name === undefined) return text;
    const { value, fault } = readVariable(name, this.context.variables, undefined);
    if (fault === undefined) return value;
    this.fault('for', `for: ${fault}`);
    return undefined;
  }

  private checked(rules: readonly RuleParts[]): RuleParts[] {
    return rules.filter((rule) => {
      const faults = checkRule(rule);
      this.faults.push(...faults);
      return faults.length === 0;
    });
  }

  private fault(key: string, message: string): void {
    this.faults.push({ key, message });
  }
}
