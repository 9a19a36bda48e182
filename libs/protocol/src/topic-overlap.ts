/**
 * Whether some topic name matches both filters. Both are valid filters, without `$share/`.
 *
 * @see MQTT 5.0 §4.7
 */
export function filtersOverlap(one: string, other: string): boolean {
  // [MQTT-4.7.2-1]: a wildcard at the start matches no topic that starts with "$".
  if (startsWithWildcard(one) && other.startsWith('$')) return false;
  if (startsWithWildcard(other) && one.startsWith('$')) return false;
  return levelsOverlap(one.split('/'), other.split('/'));
}

function levelsOverlap(one: readonly string[], other: readonly string[]): boolean {
  for (let at = 0; ; at++) {
    const [left, right] = [one[at], other[at]];
    // "#" matches its parent level too (§4.7.1.2), so it may also stand where the other filter has ended.
    if (left === '#' || right === '#') return true;
    if (left === undefined || right === undefined) return left === right;
    if (left !== right && left !== '+' && right !== '+') return false;
  }
}

function startsWithWildcard(filter: string): boolean {
  return filter.startsWith('+') || filter.startsWith('#');
}
