import type { JsonValue } from '@sallyport/store';

/**
 * JSON without spaces, and with the names of each object in order (RFC 8785). So one value has one text, even if a
 * store returns the names in another order. Undefined members are left out, as in JSON.
 */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.flatMap((name) => member(name, value[name])).join(',')}}`;
}

function member(name: string, value: JsonValue | undefined): string[] {
  return value === undefined ? [] : [`${JSON.stringify(name)}:${canonicalJson(value)}`];
}
