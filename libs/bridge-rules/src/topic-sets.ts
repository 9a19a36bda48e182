/**
 * Whether every topic that one filter matches is matched by the other one too.
 *
 * @see MQTT 5.0 §4.7
 */
export function filterCovers(wide: string, narrow: string): boolean {
  // [MQTT-4.7.2-1]: a wildcard at the start matches no topic that starts with "$".
  if (startsWithWildcard(wide) && narrow.startsWith('$')) return false;
  return levelsCover(wide.split('/'), narrow.split('/'));
}

function levelsCover(wide: readonly string[], narrow: readonly string[]): boolean {
  for (let at = 0; ; at += 1) {
    const [outer, inner] = [wide[at], narrow[at]];
    // "#" matches its parent level too (§4.7.1.2).
    if (outer === '#') return true;
    if (outer === undefined || inner === undefined) return outer === inner;
    if (inner === '#' || (outer !== '+' && outer !== inner)) return false;
  }
}

/**
 * The filter that matches exactly the topics that both filters match; undefined when there are none.
 *
 * @see MQTT 5.0 §4.7
 */
export function filterIntersection(one: string, other: string): string | undefined {
  if (startsWithWildcard(one) && other.startsWith('$')) return undefined;
  if (startsWithWildcard(other) && one.startsWith('$')) return undefined;
  const [left, right] = [one.split('/'), other.split('/')];
  const common: string[] = [];
  for (let at = 0; ; at += 1) {
    const [a, b] = [left[at], right[at]];
    if (a === '#') return [...common, ...right.slice(at)].join('/');
    if (b === '#') return [...common, ...left.slice(at)].join('/');
    if (a === undefined || b === undefined) return a === b ? common.join('/') : undefined;
    if (a !== b && a !== '+' && b !== '+') return undefined;
    common.push(a === '+' ? b : a);
  }
}

function startsWithWildcard(filter: string): boolean {
  return filter.startsWith('+') || filter.startsWith('#');
}
