import { Problem } from '@sallyport/protocol';

/** Names and values in their order; a name may come several times. */
export type FormPairs = readonly (readonly [name: string, value: string])[];

/** More names than any device has values. */
const mostPairs = 4_096;

/**
 * Reads `application/x-www-form-urlencoded` (WHATWG URL §5.1), but strictly: escapes that are none, and text that is not
 * UTF-8, are refused and not replaced. A name may stand without "=", as in the query of a read.
 *
 * @throws Problem `invalid-request`: an escape cannot be decoded, or there are too many names
 */
export function parseForm(text: string): FormPairs {
  return partsOf(text).map(pairOf);
}

/**
 * Reads the form of a body. It is the same form, but each name has its "=": a value that is cut off is not an empty one.
 *
 * @throws Problem `invalid-request`: as `parseForm`, or a name has no "="
 */
export function parseFormBody(text: string): FormPairs {
  return partsOf(text).map((part) => {
    if (part.includes('=')) return pairOf(part);
    throw new Problem('invalid-request', 'A name in the body has no "=". Send name and value: temperature=50');
  });
}

/** The same of a query, which begins behind the "?". */
export function queryOf(target: string): FormPairs {
  const at = target.indexOf('?');
  return at < 0 ? [] : parseForm(target.slice(at + 1));
}

/** Writes pairs in the form that `parseForm` reads; every byte outside of letters, digits and `-_.~` is escaped. */
export function formatForm(pairs: FormPairs): string {
  return pairs.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join('&');
}

function partsOf(text: string): string[] {
  if (text === '') return [];
  const parts = text.split('&', mostPairs + 1);
  if (parts.length > mostPairs)
    throw new Problem('invalid-request', `There are more than ${mostPairs} names. Send them in several requests.`);
  return parts.filter((part) => part !== '');
}

function pairOf(part: string): readonly [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [decoded(part), ''] : [decoded(part.slice(0, at)), decoded(part.slice(at + 1))];
}

/** Most names and values of devices need no decoding. */
const isEscaped = /[%+]/;

function decoded(text: string): string {
  if (!isEscaped.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Problem('invalid-request', 'A name or value has a "%" that begins no UTF-8 character. Write "%25".');
  }
}

function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}
