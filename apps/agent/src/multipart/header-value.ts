/** A header value of the form `value; name=token; name="quoted"` (RFC 9110 §5.6.6). */
export interface HeaderValue {
  /** Lower-case. */
  readonly value: string;
  /** By lower-case name. If a name occurs twice, the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

// token "=" ( token / quoted-string ). Browsers and curl also send other characters without quotes, so read up to ";".
const parameter = /;[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/g;

/** Splits `Content-Type` or `Content-Disposition` into its value and parameters; never throws. */
export function parseHeaderValue(text: string): HeaderValue {
  const end = text.indexOf(';');
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of text.matchAll(parameter)) {
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, '$1') ?? plain?.trim() ?? '');
  }
  return { value: (end < 0 ? text : text.slice(0, end)).trim().toLowerCase(), parameters };
}
