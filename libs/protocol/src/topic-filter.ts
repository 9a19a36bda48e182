const sharePrefix = '$share/';

/**
 * Whether an MQTT topic filter matches a topic name. A shared subscription matches what its filter part does. A filter
 * with a wildcard where none may stand matches nothing by it.
 *
 * @see MQTT 5.0 §4.7 (the same as 3.1.1 §4.7), §4.8.2 (shared subscriptions)
 */
export function filterMatches(filter: string, topic: string): boolean {
  const wanted = sharedFilter(filter) ?? filter;
  // [MQTT-4.7.2-1]: a filter that starts with a wildcard does not match topics that start with "$".
  if (topic.startsWith('$') && (wanted.startsWith('+') || wanted.startsWith('#'))) return false;
  return levelsMatch(wanted, topic);
}

/**
 * The filter part of a shared subscription, `$share/<name>/<filter>`.
 *
 * @returns undefined when the filter is not that of a shared subscription
 * @see MQTT 5.0 §4.8.2 [MQTT-4.8.2-1]: the name has at least one character
 */
export function sharedFilter(filter: string): string | undefined {
  if (!filter.startsWith(sharePrefix)) return undefined;
  const nameEnd = filter.indexOf('/', sharePrefix.length);
  const isWhole = nameEnd > sharePrefix.length && nameEnd + 1 < filter.length;
  return isWhole ? filter.slice(nameEnd + 1) : undefined;
}

/**
 * Whether a message can be published to a topic: not empty, no wildcard.
 *
 * @see MQTT 5.0 §4.7.3 [MQTT-4.7.3-1], §3.3.2.1 [MQTT-3.3.2-2]
 */
export function isTopicName(topic: string): boolean {
  return topic !== '' && isTopicText(topic) && !topic.includes('+') && !topic.includes('#');
}

/**
 * Whether a text is a topic filter: "#" only as the last level, "+" only as a whole level. A filter that starts with
 * `$share/` also needs a share name without wildcards, and a filter behind it.
 *
 * @see MQTT 5.0 §4.7.1 [MQTT-4.7.1-1], [MQTT-4.7.1-2], §4.8.2 [MQTT-4.8.2-1], [MQTT-4.8.2-2]
 */
export function isTopicFilter(filter: string): boolean {
  if (!filter.startsWith(sharePrefix)) return filter !== '' && isTopicText(filter) && hasOrderlyWildcards(filter);
  const wanted = sharedFilter(filter);
  if (wanted === undefined) return false;
  const shareName = filter.slice(sharePrefix.length, -wanted.length - 1);
  return isTopicText(filter) && !/[+#]/.test(shareName) && hasOrderlyWildcards(wanted);
}

// MQTT 5.0 §4.7.3 [MQTT-4.7.3-2], [MQTT-4.7.3-3]: no U+0000, at most 65,535 bytes of UTF-8. A character has at most
// three bytes for each of its UTF-16 units, so most texts need no count.
function isTopicText(text: string): boolean {
  if (text.includes('\0') || !text.isWellFormed()) return false;
  return text.length <= 21_845 || new TextEncoder().encode(text).length <= 65_535;
}

function hasOrderlyWildcards(filter: string): boolean {
  return filter
    .split('/')
    .every((level, index, levels) =>
      level === '#' ? index === levels.length - 1 : level === '+' || !/[+#]/.test(level),
    );
}

/** Compares level by level and makes no lists: a bridge does this for each message. */
function levelsMatch(filter: string, topic: string): boolean {
  let [filterAt, topicAt] = [0, 0];
  for (;;) {
    const filterEnd = levelEnd(filter, filterAt);
    const topicEnd = levelEnd(topic, topicAt);
    const wanted = filter.slice(filterAt, filterEnd);
    // [MQTT-4.7.1-1]: "#" stands last.
    if (wanted === '#') return filterEnd === filter.length;
    if (wanted !== '+' && wanted !== topic.slice(topicAt, topicEnd)) return false;
    // "a/#" matches "a" too (§4.7.1.2).
    if (topicEnd === topic.length) return filterEnd === filter.length || filter.slice(filterEnd) === '/#';
    if (filterEnd === filter.length) return false;
    [filterAt, topicAt] = [filterEnd + 1, topicEnd + 1];
  }
}

function levelEnd(text: string, start: number): number {
  const slash = text.indexOf('/', start);
  return slash === -1 ? text.length : slash;
}
