import { type ConfigKey, describeKey } from '@sallyport/config';
import { z } from 'zod';

const items = z.array(z.string());

/** The value of a setting for programs: a number or a boolean where it is one, a list where it is one. */
export function jsonValueOf(key: ConfigKey, text: string | undefined): string | number | boolean | string[] | null {
  if (text === undefined) return null;
  const { isList, fromText } = describeKey(key).type;
  if (isList === true) return items.parse(JSON.parse(text));
  const stored = fromText(text, '/');
  return typeof stored === 'number' || typeof stored === 'boolean' ? stored : text;
}
