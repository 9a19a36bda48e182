import { z } from 'zod';
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

/** Everything about a setting except its values, which the schema describes. */
export interface SettingDescription {
  readonly type: ValueType;
  /** What the setting does, in sentences. */
  readonly doc: string;
  /** Example values as typed on a command line. */
  readonly examples: readonly string[];
  /** Names the setting had in earlier releases of thin-edge.io; still read, with a warning. */
  readonly deprecatedNames: readonly string[];
  /** Names it has in the CoAP gateway of plgd, written out; read as well as its own, without a warning. */
  readonly plgdNames: readonly string[];
  /** Absent: the setting is unset until somebody sets it. */
  readonly default?: StoredValue | DerivedDefault;
  /** True for a setting thin-edge.io does not have. */
  readonly isOwn: boolean;
  /** The file that changes are written to. When thin-edge.io writes its own file, it drops what it does not know. */
  readonly home: SettingsHome;
  /** False for a setting of thin-edge.io that is kept and shown for it, and never read here. */
  readonly isRead: boolean;
}

/** `tedge` for tedge.toml, which thin-edge.io reads and writes too; `sallyport` for sallyport.toml, which it does not. */
export type SettingsHome = 'tedge' | 'sallyport';

interface Documentation {
  readonly doc: string;
  readonly examples?: readonly string[];
  readonly deprecatedNames?: readonly string[];
  /** Below `apis.coap`, which plgd's documentation also calls `api.coap`. */
  readonly plgdNames?: readonly string[];
  readonly isOwn?: boolean;
  readonly isRead?: boolean;
}

interface WithDefault extends Documentation {
  readonly default: StoredValue | DerivedDefault;
}

// zod's own registry rewrites the types of its schemas recursively, and tsc then needs half a minute for the schema.
const descriptions = new WeakMap<z.ZodType, SettingDescription>();

/** Declares a setting that has a value from the start. */
export function setting<S extends z.ZodType>(type: ValueType<S>, documentation: WithDefault): S {
  return described(type.schema.clone(), type, documentation);
}

interface MayFollow extends Documentation {
  readonly default?: DerivedDefault;
}

/** Declares a setting that stays unset until somebody sets it, or the setting that its default follows. */
export function optionalSetting<S extends z.ZodType>(type: ValueType<S>, documentation: MayFollow) {
  return described(type.schema.optional(), type, documentation);
}

/**
 * Declares a setting of thin-edge.io that nothing here reads. If a person sets it, its type is checked. A value that is in
 * the file already is not checked: that is up to thin-edge.io, and must not stop our services.
 */
export function unreadSetting(type: ValueType, documentation: Documentation | WithDefault): z.ZodType<unknown> {
  // The default may be the value of a setting that has none itself.
  const isOptional = !('default' in documentation) || isDerived(documentation.default);
  const schema = z.unknown().refine((value) => isOptional || value !== undefined);
  descriptions.set(schema, { ...describe(type, documentation), isRead: false });
  return schema;
}

function described<S extends z.ZodType>(schema: S, type: ValueType, documentation: Documentation | WithDefault): S {
  descriptions.set(schema, describe(type, documentation));
  return schema;
}

function describe(type: ValueType, documentation: Documentation | WithDefault): SettingDescription {
  const { isOwn = false } = documentation;
  const home = isOwn ? 'sallyport' : 'tedge';
  const plgdNames = ['apis', 'api'].flatMap((root) =>
    (documentation.plgdNames ?? []).map((name) => `${root}.coap.${name}`),
  );
  return { examples: [], deprecatedNames: [], isRead: true, ...documentation, plgdNames, isOwn, home, type };
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
