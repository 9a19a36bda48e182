// As many times as a chain of servers decodes a path at most; RFC 3986 §2.4 allows it once.
const mostDecodings = 4;

const isAmbiguous = /[%\\;#]|\/\/|\/\./;
const dotOrEmpty = new Set(['', '.']);

const anyEscape = /%([0-9a-f]{2})/gi;
// RFC 3986 §6.2.2.2: encoded or not, these are the same name to every server. Not so # % . / ; ? and \.
const harmless = /%(?!2[35ef]|3[bf]|5c)([0-9a-f]{2})/gi;

// Bytes that are in no valid UTF-8. Old decoders read %c0%ae as a dot and %c0%af as a slash. Bytes as latin1 characters.
const overlong = /[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/;
// A file system may end a name at NUL.
const control = /[^ -~\x80-\xff]/;

/**
 * Every path that a server may take a path for, after it has decoded, cut off what looks like a query, cut out
 * parameters (`;a=b`) and resolved dots, or not, in whatever order. What is said about a request must hold for all of
 * them, so that no spelling passes a rule.
 *
 * @param target of a request, without its query
 * @returns bytes as latin1 characters; undefined when there is no end of it: it is encoded too many times, or no text
 */
export function readingsOf(target: string): readonly string[] | undefined {
  if (!isAmbiguous.test(target)) return [target];
  const readings = new Set<string>();
  let decoded = decode(target, harmless);
  for (let round = 0; round < mostDecodings; round++) {
    if (overlong.test(decoded) || control.test(decoded)) return undefined;
    const slashed = decoded.replaceAll('\\', '/');
    const [path = ''] = slashed.split(/[?#]/, 1);
    for (const form of [slashed, path, path.replace(/;[^/]*/g, '')]) readings.add(form).add(withoutDots(form));
    const next = decode(decoded, anyEscape);
    if (next === decoded) return [...readings];
    decoded = next;
  }
  return undefined;
}

function decode(path: string, escapes: RegExp): string {
  return path.replace(escapes, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** RFC 3986 §5.2.4, and without empty names. */
function withoutDots(path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (!dotOrEmpty.has(name)) names.push(name);
  }
  const isFolder = /\/\.{0,2}$/.test(path) && names.length > 0;
  return `/${names.join('/')}${isFolder ? '/' : ''}`;
}
