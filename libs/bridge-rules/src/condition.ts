import { type RuleVariables, readVariable } from './variables.js';

/** Whether a condition holds, with the reason when it does not; or what is wrong with it. */
export type ConditionReading =
  | { readonly holds: true; readonly reason?: never; readonly fault?: never }
  | { readonly holds: false; readonly reason: string; readonly fault?: never }
  | { readonly holds?: never; readonly reason?: never; readonly fault: string };

const forms = `Write "\${name}", "!\${name}" or "\${name} == 'text'".`;

/**
 * Reads the `if` of a rule or file: `"${flag}"`, `"!${flag}"` or `"${name} == 'text'"`.
 *
 * @see thin-edge.io's reference of the configurable bridge
 */
export function readCondition(text: string, variables: RuleVariables): ConditionReading {
  const [, negation = '', name, comparison, literal = ''] =
    /^\s*(!?)\$\{([^{}]*)\}\s*(?:(==)\s*'([^']*)'\s*)?$/.exec(text) ?? [];
  if (name === undefined || (negation !== '' && comparison !== undefined))
    return { fault: `It is not understood. ${forms}` };
  const { value, fault } = readVariable(name, variables, undefined);
  if (fault !== undefined) return { fault };
  if (comparison !== undefined) return comparedTo(literal, name, value);
  if (typeof value !== 'boolean') return { fault: `\${${name}} is not true or false. ${forms}` };
  const isWanted = negation === '';
  return value === isWanted ? { holds: true } : { holds: false, reason: `\${${name}} is ${value}.` };
}

function comparedTo(literal: string, name: string, value: unknown): ConditionReading {
  if (name === 'connection.auth_method' && literal !== 'certificate' && literal !== 'password')
    return { fault: `\${${name}} is never '${literal}'. It is 'certificate' or 'password'.` };
  if (typeof value !== 'string' && typeof value !== 'boolean')
    return { fault: `\${${name}} is a list, which cannot be compared with a text.` };
  return String(value) === literal ? { holds: true } : { holds: false, reason: `\${${name}} is '${value}'.` };
}
