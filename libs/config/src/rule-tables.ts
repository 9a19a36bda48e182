import { deviceId, Problem } from '@sallyport/protocol';
import type { z } from 'zod';
import { shownValue } from './faults.js';
import { isTable, parseToml, type TomlTable } from './toml.js';
import { TomlLines } from './toml-lines.js';

const mostValues = 64;

/** Where a rule stands in its file, for error messages. */
export interface RulePlace {
  readonly file: string;
  readonly lines: TomlLines;
  readonly index: number;
}

/** One rule of a file, not checked yet. */
export interface RuleTable extends RulePlace {
  readonly table: TomlTable;
}

/**
 * Reads a file of rules: tables `[[rule]]`, and nothing else.
 *
 * @param file name of the file in errors
 * @param mostRules more are refused
 * @throws Problem `config-invalid`, which names the line
 */
export function readRuleTables(text: string, file: string, mostRules: number): RuleTable[] {
  const { rule: rules = [], ...others } = parseToml(text, file);
  const lines = new TomlLines(text);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw fault({ file, line: lines.ofKey(unknown) }, `"${unknown}" is not known. Write [[rule]].`);
  if (!Array.isArray(rules) || !rules.every(isTable) || lines.countOf('rule') !== rules.length)
    throw fault({ file, line: lines.ofKey('rule') }, 'Write each rule as a table of its own, below a line [[rule]].');
  if (rules.length > mostRules)
    throw fault({ file, line: 1 }, `There are ${rules.length} rules; ${mostRules} may be used.`);
  return rules.map((table, index) => ({ table, file, lines, index }));
}

/** The texts of a list of a rule; none when the rule has no such key. */
export function textsOf({ table, place, key }: { table: TomlTable; place: RulePlace; key: string }): string[] {
  const values = table[key] ?? [];
  if (!Array.isArray(values))
    throw faultAt(place, key, `${key} is ${shownValue(values)}, which is not a list of texts.`);
  if (values.length > mostValues)
    throw faultAt(place, key, `${key} has ${values.length} values; ${mostValues} may be used.`);
  return values.map((value: unknown) => {
    if (typeof value === 'string') return value;
    throw faultAt(place, key, `${key} holds ${shownValue(value)}, which is not a text.`);
  });
}

/** For whom a rule is, and what it is for. */
export interface RuleParties {
  readonly names: readonly string[];
  readonly purpose: string | undefined;
}

/**
 * Reads what every rule has besides its rights, and refuses keys that no rule of its file has.
 *
 * @param keys the lists that a rule may have, with `roles` and `names`
 * @throws Problem `config-invalid`: it is for nobody, a name is none, or a key is not known
 */
export function partiesOf({ table, ...place }: RuleTable, keys: readonly string[]): RuleParties {
  const { purpose, ...lists } = table;
  for (const key of Object.keys(lists))
    if (!keys.includes(key)) throw faultAt(place, key, `"${key}" is not known. Use purpose, ${keys.join(', ')}.`);
  if (purpose !== undefined && typeof purpose !== 'string')
    throw faultAt(place, 'purpose', `purpose is ${shownValue(purpose)}, which is not a text.`);
  const names = textsOf({ table, place, key: 'names' });
  for (const name of names) requireName(name, place);
  if (names.length === 0 && textsOf({ table, place, key: 'roles' }).length === 0)
    throw faultAt(place, undefined, 'The rule is for nobody. Set roles or names.');
  return { names, purpose };
}

function requireName(name: string, place: RulePlace): void {
  const reason = deviceId.safeParse(name).error?.issues[0]?.message;
  if (reason !== undefined) throw faultAt(place, 'names', `names holds ${shownValue(name)}, which ${reason}.`, name);
}

/** The roles of a rule. @throws Problem `config-invalid`: one is none of `known` */
export function rolesOf<Role extends string>(
  { table, ...place }: RuleTable,
  known: z.ZodEnum<Record<Role, Role>>,
): Role[] {
  return textsOf({ table, place, key: 'roles' }).map((value) => {
    const role = known.safeParse(value);
    if (role.success) return role.data;
    const all = known.options.join(', ');
    throw faultAt(place, 'roles', `roles holds ${shownValue(value)}. Rules can be for these roles: ${all}.`, value);
  });
}

/**
 * What is wrong with a rule.
 *
 * @param key of the rule; undefined: the rule itself
 * @param value in the list of the key
 */
export function faultAt(place: RulePlace, key: string | undefined, reason: string, value?: string): Problem {
  return fault({ file: place.file, line: lineOf(place, key, value) }, reason);
}

function lineOf({ lines, index }: RulePlace, key: string | undefined, value: string | undefined): number {
  if (key === undefined) return lines.ofHeader('rule', index);
  const place = { name: 'rule', index, key };
  return value === undefined ? lines.ofKeyIn(place) : lines.ofItemIn(place, value);
}

function fault({ file, line }: { file: string; line: number }, reason: string): Problem {
  return new Problem('config-invalid', `${file}, line ${line}: ${reason}`);
}
