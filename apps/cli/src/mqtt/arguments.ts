import { isTopicFilter, isTopicName } from '@sallyport/protocol';
import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';

/** Highest promise a message is delivered with: at most once, at least once, exactly once. */
export const qos = z.literal(['0', '1', '2']).transform((text) => levels[text]);

const levels = { '0': 0, '1': 1, '2': 2 } as const;

/** `--qos`, with the default that thin-edge.io has for this command. */
export function qosOption(byDefault: '0' | '1'): Option {
  const option = new Option('-q, --qos <qos>', '0: at most once, 1: at least once, 2: exactly once');
  return option.choices(['0', '1', '2']).default(byDefault);
}

/** Parser of a topic name. */
export function topicArgument(text: string): string {
  if (isTopicName(text)) return text;
  throw new InvalidArgumentError('A topic to publish to has no wildcard (+ or #) and no NUL, and is not empty.');
}

/** Parser of a topic filter. */
export function filterArgument(text: string): string {
  if (isTopicFilter(text)) return text;
  throw new InvalidArgumentError('"+" stands for one whole level, and "#" for the last levels.');
}
