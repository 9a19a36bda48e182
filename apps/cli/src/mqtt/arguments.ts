import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';

/** Highest promise a message is delivered with: at most once, at least once, exactly once. */
export const qos = z.literal(['0', '1', '2']).transform((text) => levels[text]);

const levels = { '0': 0, '1': 1, '2': 2 } as const;

// MQTT 5.0 §4.7.3 [MQTT-4.7.3-3]: at most 65 535 bytes of UTF-8, so count bytes, not characters.
const longestTopicBytes = 65_535;

/** `--qos`, with the default that thin-edge.io has for this command. */
export function qosOption(byDefault: '0' | '1'): Option {
  const option = new Option('-q, --qos <qos>', '0: at most once, 1: at least once, 2: exactly once');
  return option.choices(['0', '1', '2']).default(byDefault);
}

/** Parser of a topic name. */
export function topicArgument(text: string): string {
  if (/[+#]/.test(text)) throw new InvalidArgumentError('A topic to publish to has no wildcard (+ or #).');
  return topicText(text);
}

/** Parser of a topic filter. */
export function filterArgument(text: string): string {
  const levels = text.split('/');
  const isWrong = levels.some(
    (level, index) => (level.length > 1 && /[+#]/.test(level)) || (level === '#' && index < levels.length - 1),
  );
  if (isWrong) throw new InvalidArgumentError('"+" stands for one whole level, and "#" for the last levels.');
  return topicText(text);
}

function topicText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  if (Buffer.byteLength(text) > longestTopicBytes || text.includes('\0'))
    throw new InvalidArgumentError(`It has at most ${longestTopicBytes} bytes and no NUL.`);
  return text;
}
