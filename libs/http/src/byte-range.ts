/** The result of a `Range` header: the whole file, one part (both ends included), or a range outside the file. */
export type RangeSelection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' };

const whole: RangeSelection = { kind: 'whole' };
const unsatisfiable: RangeSelection = { kind: 'unsatisfiable' };

/**
 * Selects the part of a file that a `Range` header requests (RFC 9110 §14.1.2).
 *
 * Everything except one well-formed byte range selects the whole file, which §14.2 allows. With several ranges, a small
 * request could ask for many times the size of the file.
 */
export function selectRange(header: string | undefined, sizeBytes: number): RangeSelection {
  const match = header === undefined ? null : /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header);
  if (match === null) return whole;
  const [, firstDigits = '', lastDigits = ''] = match;
  if (firstDigits === '') return lastDigits === '' ? whole : suffix(Number(lastDigits), sizeBytes);
  const first = Number(firstDigits);
  const last = lastDigits === '' ? Number.POSITIVE_INFINITY : Number(lastDigits);
  // §14.1.2: "An int-range is invalid if the last-pos value is present and less than the first-pos value."
  if (last < first) return whole;
  return first < sizeBytes ? { kind: 'part', first, last: Math.min(last, sizeBytes - 1) } : unsatisfiable;
}

function suffix(length: number, sizeBytes: number): RangeSelection {
  if (length === 0) return unsatisfiable;
  // A Content-Range cannot describe a part of an empty file.
  if (sizeBytes === 0) return whole;
  return { kind: 'part', first: Math.max(0, sizeBytes - length), last: sizeBytes - 1 };
}
