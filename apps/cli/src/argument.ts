import { InvalidArgumentError } from 'commander';
import type { z } from 'zod';

/** Parser of an argument or an option that a schema describes. */
export function schemaArgument<Schema extends z.ZodType>(schema: Schema): (text: string) => z.infer<Schema> {
  return (text) => {
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    throw new InvalidArgumentError(`"${text}" ${sentenceOf(result.error)}`);
  };
}

/** The same for an option that may be repeated. */
export function schemaArguments<Schema extends z.ZodType>(schema: Schema) {
  const parse = schemaArgument(schema);
  return (text: string, earlier: readonly z.infer<Schema>[] = []): z.infer<Schema>[] => [...earlier, parse(text)];
}

/** Takes a value away. */
export const none = 'none';

/** The same for a value that may be taken away. */
export function removableArgument<Schema extends z.ZodType>(
  schema: Schema,
): (text: string) => z.infer<Schema> | typeof none {
  const parse = schemaArgument(schema);
  return (text) => (text === none ? none : parse(text));
}

/** The value for an admin API, where `null` takes it away. */
export function orNull<Value>(value: Value | typeof none): Value | null {
  return value === none ? null : value;
}

/** Parser of a whole number. */
export function numberArgument(schema: z.ZodType<number>): (text: string) => number {
  return (text) => {
    if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError(`"${text}" is no whole number.`);
    return schemaNumber(schema, Number(text));
  };
}

/** The same for a number that may be taken away. */
export function removableNumberArgument(schema: z.ZodType<number>): (text: string) => number | typeof none {
  const parse = numberArgument(schema);
  return (text) => (text === none ? none : parse(text));
}

function schemaNumber(schema: z.ZodType<number>, value: number): number {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`"${value}": ${sentenceOf(result.error)}`);
}

/** Parser of a switch. */
export function onOffArgument(text: string): boolean {
  if (['on', 'true'].includes(text)) return true;
  if (['off', 'false'].includes(text)) return false;
  throw new InvalidArgumentError(`"${text}" is neither on nor off.`);
}

function sentenceOf({ issues }: z.ZodError): string {
  return `${issues[0]?.message ?? 'cannot be used'}.`;
}
