import type { Fields } from '@sallyport/http-wire';

// With these a client asks for PUT or DELETE although its request says POST. Cumulocity and many frameworks follow one.
const overrides: ReadonlySet<string> = new Set(['x-http-method', 'x-http-method-override', 'x-method-override']);

/**
 * Every method that a server may take a request for. A rule must allow all of them.
 *
 * @param method of the request line
 */
export function askedMethods(method: string, { raw }: Fields): readonly string[] {
  const methods = [method];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (!overrides.has(raw[at]?.toLowerCase() ?? '')) continue;
    for (const asked of (raw[at + 1] ?? '').split(',')) methods.push(asked.trim().toUpperCase());
  }
  return methods;
}
