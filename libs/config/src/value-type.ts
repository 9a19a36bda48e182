import { z } from 'zod';

/** A setting's value as tedge.toml can hold it. */
export type StoredValue = string | number | boolean | readonly string[];

/** What values a setting takes, and how a value typed by a person becomes one. */
export interface ValueType<S extends z.ZodType = z.ZodType> {
  /** Name of the type in documentation; thin-edge.io's own name where it has one. */
  readonly name: string;
  /** The values that are accepted, in words; the second half of the sentence "must be ...". */
  readonly rule: string;
  /** Accepts the value as TOML holds it and yields the value programs read. */
  readonly schema: S;
  /** Turns command-line or environment text into what TOML would hold; the schema judges the outcome. */
  readonly fromText: (text: string, cwd: string) => StoredValue;
  /** What a number yielded by the schema counts. */
  readonly unit?: 'seconds' | 'bytes';
  /** True for sets of texts, which items can be added to and removed from. */
  readonly isList?: true;
}

/** Text that stands for itself. */
export const asWritten = (text: string): StoredValue => text;

/** Digits become a number; anything else stays text for the schema to refuse. */
export const asInteger = (text: string): StoredValue => (/^-?\d{1,15}$/.test(text) ? Number(text) : text);

/** `true` and `false` become booleans; anything else stays text for the schema to judge. */
export const asFlag = (text: string): StoredValue => (text === 'true' || text === 'false' ? text === 'true' : text);

/** Comma-separated text becomes a list; blanks around items and empty items are dropped. */
export const asList = (text: string): StoredValue =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** A type whose values are texts that pass a test. */
export function textThat(name: string, rule: string, isAllowed: (text: string) => boolean) {
  const error = `must be ${rule}`;
  return { name, rule, schema: z.string({ error }).refine(isAllowed, { error }), fromText: asWritten } as const;
}

/** A type whose values are read out of text; `parse` yields undefined for text it refuses. */
export function textParsedBy<T>(name: string, rule: string, parse: (text: string) => T | undefined) {
  const error = `must be ${rule}`;
  const schema = z.string({ error }).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
  return { name, rule, schema, fromText: asWritten } as const;
}

/** A type for amounts: a number, or text that `parse` turns into one. */
export function amountParsedBy(name: string, rule: string, parse: (stored: string | number) => number | undefined) {
  const error = `must be ${rule}`;
  const schema = z.union([z.number(), z.string().max(100)], { error }).transform((stored, context) => {
    const amount = parse(stored);
    if (amount !== undefined) return amount;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
  return { name, rule, schema, fromText: asInteger } as const;
}

/** A type for whole numbers between two bounds, both allowed. */
export function integerFrom(name: string, rule: string, bounds: { least: number; most: number }) {
  const error = `must be ${rule}`;
  const schema = z.int({ error }).min(bounds.least, { error }).max(bounds.most, { error });
  return { name, rule, schema, fromText: asInteger } as const;
}

/** A type for one word out of a few. */
export function oneOf<const W extends readonly [string, ...string[]]>(name: string, words: W) {
  const rule = `one of ${words.join(', ')}`;
  return { name, rule, schema: z.enum(words, { error: `must be ${rule}` }), fromText: asWritten } as const;
}

/** A type for sets of texts: comma-separated when typed, a TOML array in the file, `["a", "b"]` when printed. */
export function listOf<S extends z.ZodType>(name: string, rule: string, item: S) {
  return { name, rule, schema: z.array(item, { error: `must be ${rule}` }), fromText: asList, isList: true } as const;
}
