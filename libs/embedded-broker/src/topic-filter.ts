/**
 * Whether an MQTT topic filter matches a topic.
 *
 * @see MQTT 3.1.1 §4.7
 */
export function filterMatches(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1]: a filter that starts with a wildcard does not match topics that start with "$".
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const [wanted, levels] = [filter.split('/'), topic.split('/')];
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
