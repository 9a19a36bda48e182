/** A certificate without its key, or a key without its certificate. */
export interface HalfPair {
  readonly kind: 'half';
  readonly present: 'cert' | 'key';
  readonly missing: 'cert' | 'key';
}

/** What is there of a certificate and its key. */
export type Pair<Part> =
  | { readonly kind: 'none' }
  | HalfPair
  | { readonly kind: 'whole'; readonly cert: Part; readonly key: Part };

/** Only both halves are of use, or neither: one of them alone is a mistake. */
export function pairOf<Part>(cert: Part | undefined, key: Part | undefined): Pair<Part> {
  if (cert === undefined && key === undefined) return { kind: 'none' };
  if (cert === undefined) return { kind: 'half', present: 'key', missing: 'cert' };
  if (key === undefined) return { kind: 'half', present: 'cert', missing: 'key' };
  return { kind: 'whole', cert, key };
}
