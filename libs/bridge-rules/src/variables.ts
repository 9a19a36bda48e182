/** How this device proves itself to the cloud, as rules name it; the setting says `basic` for `password`. */
export type RuleAuthMethod = 'certificate' | 'password';

/** A value that a rule may use. Lists are for `for` only. */
export type VariableValue = string | boolean | readonly string[];

/** The value of a variable, or a sentence that says why it has none. */
export type VariableReading =
  | { readonly value: VariableValue; readonly fault?: never }
  | { readonly value?: never; readonly fault: string };

/** What `${...}` in a rule may name. */
export interface RuleVariables {
  readonly authMethod: RuleAuthMethod;
  /** `${tedge.<key>}`: a setting of this device. */
  readonly tedge: (key: string) => VariableReading;
  /** `${mapper.<key>}`: a setting of the cloud whose rules these are. */
  readonly mapper: (key: string) => VariableReading;
}

/** What `${item}` stands for; undefined where it may not stand. */
export type Item = string | undefined;

/** Reads one variable by the name between `${` and `}`. */
export function readVariable(name: string, variables: RuleVariables, item: Item): VariableReading {
  if (name === 'connection.auth_method') return { value: variables.authMethod };
  if (name === 'item') return item === undefined ? itemFault : { value: item };
  const [, space, key = ''] = /^(tedge|mapper)\.([\w.-]{1,200})$/.exec(name) ?? [];
  if (space === 'tedge') return variables.tedge(key);
  if (space === 'mapper') return variables.mapper(key);
  return { fault: `\${${name}} is not known. ${knownNames}` };
}

const itemFault: VariableReading = {
  fault: `\${item} may stand only in the topic of a [[template_rule]].`,
};
const knownNames = `Use \${tedge.<key>}, \${mapper.<key>}, \${connection.auth_method}, or \${item} in the topic of a [[template_rule]].`;

/** A text with the values of its variables, or what is wrong with it. */
export type ExpandedText =
  | { readonly text: string; readonly faults?: never }
  | { readonly text?: never; readonly faults: readonly string[] };

/** Puts values in the place of `${...}`. */
export function expandText(template: string, variables: RuleVariables, item?: string): ExpandedText {
  const faults: string[] = [];
  const text = template.replace(/\$\{([^{}]*)(\}?)/g, (written, name: string, end: string) => {
    if (end === '') faults.push(`"${written}" has no "}".`);
    else return valueIn(name, { variables, item, faults });
    return '';
  });
  return faults.length > 0 ? { faults } : { text };
}

interface Expansion {
  readonly variables: RuleVariables;
  readonly item: Item;
  readonly faults: string[];
}

function valueIn(name: string, { variables, item, faults }: Expansion): string {
  const { value, fault } = readVariable(name, variables, item);
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  faults.push(fault ?? `\${${name}} is a list. Only "for" of a [[template_rule]] takes a list.`);
  return '';
}
