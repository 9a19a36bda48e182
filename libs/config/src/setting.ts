import type { z } from 'zod';
import type { StoredValue, ValueType } from './value-type.js';

/** What a default may be derived from. */
export interface DefaultContext {
  readonly configDirectory: string;
  /** True for the directory a packaged installation uses, `/etc/tedge`. */
  readonly isSystemDirectory: boolean;
  /** True when this process may create files in `/run`. */
  readonly isRunWritable: boolean;
  /** Value of another key as stored, its own default included; undefined when unset. */
  value(key: string): unknown;
}

/** A default that follows from other settings or from where the configuration lives. */
export interface DerivedDefault {
  /** The rule, for documentation. */
  readonly text: string;
  readonly from: (context: DefaultContext) => unknown;
}

/** Everything about a setting but the values it takes, which its schema says. */
export interface SettingDescription {
  readonly type: ValueType;
  /** What the setting does, in sentences. */
  readonly doc: string;
  /** Example values as typed on a command line. */
  readonly examples: readonly string[];
  /** Names the setting had in earlier releases of thin-edge.io; still read, with a warning. */
  readonly deprecatedNames: readonly string[];
  /** Absent: the setting is unset until somebody sets it. */
  readonly default?: StoredValue | DerivedDefault;
  /** True for a setting thin-edge.io does not have. */
  readonly isOwn: boolean;
}

interface Documentation {
  readonly doc: string;
  readonly examples?: readonly string[];
  readonly deprecatedNames?: readonly string[];
  readonly isOwn?: boolean;
}

interface WithDefault extends Documentation {
  readonly default: StoredValue | DerivedDefault;
}

// zod's own registry rewrites the types of what it holds, recursively; a schema in it takes tsc half a minute.
const descriptions = new WeakMap<z.ZodType, SettingDescription>();

/** Declares a setting that has a value from the start. */
export function setting<S extends z.ZodType>(type: ValueType<S>, documentation: WithDefault): S {
  const schema = type.schema.clone();
  descriptions.set(schema, { examples: [], deprecatedNames: [], isOwn: false, ...documentation, type });
  return schema;
}

/** Declares a setting that stays unset until somebody sets it. */
export function optionalSetting<S extends z.ZodType>(type: ValueType<S>, documentation: Documentation) {
  const schema = type.schema.optional();
  descriptions.set(schema, { examples: [], deprecatedNames: [], isOwn: false, ...documentation, type });
  return schema;
}

/** What was declared with a schema made by `setting` or `optionalSetting`. */
export function descriptionOf(schema: z.ZodType): SettingDescription {
  const description = descriptions.get(schema);
  if (description === undefined) throw new Error('every setting is declared with setting() or optionalSetting()');
  return description;
}

/** True when a default is derived from something else. */
export function isDerived(value: SettingDescription['default']): value is DerivedDefault {
  return typeof value === 'object' && 'from' in value;
}
