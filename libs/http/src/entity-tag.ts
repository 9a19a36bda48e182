// RFC 9110 §8.8.3: opaque-tag = DQUOTE *etagc DQUOTE
const anyTag = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** How tags are compared (RFC 9110 §8.8.3.2): a weak tag never equals a strong one, unless the comparison is weak. */
export type TagComparison = 'strong' | 'weak';

/** The tags in `If-Match` or `If-None-Match`, as they were sent; empty when there is none, as in `*`. */
export function entityTagsIn(list: string): readonly string[] {
  return list.match(anyTag) ?? [];
}

/**
 * Whether a list of tags names a version.
 *
 * @param tag the strong entity tag of the version, with its quotes
 */
export function namesEntityTag(list: string, tag: string, comparison: TagComparison): boolean {
  const tags = entityTagsIn(list);
  return tags.some((each) => (comparison === 'weak' ? each.replace(/^W\//, '') : each) === tag);
}
