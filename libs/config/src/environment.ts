import { Problem } from '@sallyport/protocol';
import { type Fault, shownValue } from './faults.js';
import { environmentNameOf, keyOfVariable, type NamedKey, nameOf } from './key-names.js';
import type { Given, Layer } from './layer.js';
import { describeKey } from './schema.js';
import { parseToml } from './toml.js';

/** Environment variables by name, of a process or made up. */
export type Environment = Readonly<Record<string, string | undefined>>;

// Set for thin-edge.io's and our own commands; they are not settings.
const reservedVariables = new Set(['TEDGE_CONFIG_DIR', 'TEDGE_CLOUD_PROFILE']);

/** The configuration directory somebody chose by `TEDGE_CONFIG_DIR`; undefined when unset or empty. */
export function configDirectoryIn(env: Environment): string | undefined {
  const { TEDGE_CONFIG_DIR: directory } = env;
  return directory || undefined;
}

/** The profile somebody chose by `TEDGE_CLOUD_PROFILE`; undefined when unset or empty. */
export function cloudProfileIn(env: Environment): string | undefined {
  const { TEDGE_CLOUD_PROFILE: profile } = env;
  return profile || undefined;
}

/** Reads every `TEDGE_*` variable. An empty one unsets its key, even when the file sets it. */
export function readEnvironment(env: Environment, cwd: string): Layer {
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  const faults: Fault[] = [];
  for (const [variable, text] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (text === undefined || !variable.startsWith('TEDGE_') || reservedVariables.has(variable)) continue;
    const named = keyOfVariable(variable);
    if (named === undefined) warnings.push(`${variable} is not a setting and is ignored.`);
    else {
      const fault = faultOf(named, text, given);
      if (fault !== undefined)
        faults.push({ key: nameOf(named), where: variable, value: shownValue(text), rule: fault });
      if (named.deprecatedName !== undefined) warnings.push(deprecation(variable, named));
      given.set(nameOf(named), {
        reference: named,
        source: 'env',
        where: variable,
        value: storedValue(named, text, cwd),
      });
    }
  }
  return { given, warnings, faults };
}

function deprecation(variable: string, named: NamedKey): string {
  return `${variable} is deprecated, use ${environmentNameOf(named)}.`;
}

function faultOf(named: NamedKey, text: string, given: ReadonlyMap<string, Given>): string | undefined {
  const earlier = given.get(nameOf(named));
  if (earlier !== undefined) return `is set by ${earlier.where} too; remove one of them`;
  return isTomlLike(text) && tomlValue(text) === undefined ? 'starts with " or [ and is not valid TOML' : undefined;
}

function storedValue(named: NamedKey, text: string, cwd: string): unknown {
  if (text === '') return undefined;
  const { fromText } = describeKey(named.key).type;
  const value = isTomlLike(text) ? tomlValue(text) : text;
  return typeof value === 'string' ? fromText(value, cwd) : value;
}

function isTomlLike(text: string): boolean {
  return /^["[]/.test(text);
}

/** The value written in TOML, or undefined when the text is anything but one TOML value. */
function tomlValue(text: string): unknown {
  try {
    const entries = Object.entries(parseToml(`value = ${text}`, 'value'));
    return entries.length === 1 ? entries[0]?.[1] : undefined;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
