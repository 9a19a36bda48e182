import type { JsonValue } from '@sallyport/store';

/**
 * JSON with the names of every object in order and no space (RFC 8785), so that one value has one text, in whatever
 * order a store gives the names back. A member that is undefined is left out, as JSON does.
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
