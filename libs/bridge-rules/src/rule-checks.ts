import { filtersOverlap, isTopicFilter, isTopicName, serviceTopicRoot } from '@sallyport/protocol';
import type { RuleDirection } from './rule-set.js';
import { filterCovers } from './topic-sets.js';

/** The parts of a rule that are checked together, with all variables replaced. */
export interface RuleParts {
  readonly direction: RuleDirection;
  readonly topic: string;
  readonly localPrefix: string;
  readonly remotePrefix: string;
}

/** What is wrong with a rule or a file, and the key it is about; undefined: all of it. */
export interface KeyFault {
  readonly key: string | undefined;
  readonly message: string;
}

/** Longest topic or prefix of a rule, in characters; a filter of both stays far below the 65,535 bytes of MQTT. */
const longestText = 1_024;

const serviceTopics = `${serviceTopicRoot}/#`;

/** Everything that is wrong with a rule; nothing when it can be used. */
export function checkRule(parts: RuleParts): KeyFault[] {
  const shapes = shapeFaults(parts);
  // What is not a filter cannot be compared with other filters.
  return shapes.length > 0 ? shapes : reachFaults(parts).map((message) => ({ key: 'topic', message }));
}

function shapeFaults({ topic, localPrefix, remotePrefix }: RuleParts): KeyFault[] {
  const texts = { topic, local_prefix: localPrefix, remote_prefix: remotePrefix };
  return Object.entries(texts).flatMap(([key, text]) => {
    const message = key === 'topic' ? topicFault(text) : prefixFault(key, text, topic);
    return message === undefined ? [] : [{ key, message }];
  });
}

function topicFault(topic: string): string | undefined {
  if (topic === '') return undefined;
  if (topic.length > longestText) return tooLong('topic', topic);
  if (isTopicFilter(topic) && !topic.startsWith('$share/') && !/\p{Cc}/u.test(topic)) return undefined;
  return `topic ${JSON.stringify(topic)} is not a topic filter (MQTT 5.0 §4.7). "+" and "#" stand alone in a level, "#" last.`;
}

function prefixFault(key: string, prefix: string, topic: string): string | undefined {
  if (prefix.length > longestText) return tooLong(key, prefix);
  const isWholeTopic = topic === '';
  if (prefix === '')
    return isWholeTopic ? `topic is empty, so ${key} is a whole topic. Write it, or give the rule a topic.` : undefined;
  if (!isTopicName(prefix) || /\p{Cc}/u.test(prefix))
    return `${key} ${JSON.stringify(prefix)} holds "+", "#" or a control character. A prefix is plain text.`;
  if (isWholeTopic || prefix.endsWith('/')) return undefined;
  return `${key} "${prefix}" does not end with "/". Write "${prefix}/".`;
}

function tooLong(key: string, text: string): string {
  return `${key} has ${text.length} characters; ${longestText} may be used.`;
}

/** What a rule may never reach, whatever a site writes. */
function reachFaults({ topic, localPrefix, remotePrefix }: RuleParts): string[] {
  const faults = [localFault(localPrefix + topic), remoteFault(remotePrefix + topic)];
  return faults.filter((fault) => fault !== undefined);
}

function localFault(filter: string): string | undefined {
  if (filter.startsWith('$')) return `local topics "${filter}" begin with "$". They belong to the broker.`;
  if (!filtersOverlap(filter, serviceTopics)) return undefined;
  return `local topics "${filter}" reach ${serviceTopics}, which belongs to the services. Use another prefix.`;
}

function remoteFault(filter: string): string | undefined {
  if (filtersOverlap(filter, '$SYS/#')) return `remote topics "${filter}" reach $SYS/#, which belongs to the broker.`;
  if (/^\$share(?:\/|$)/.test(filter)) return `remote topics "${filter}" would be a shared subscription.`;
  // A message may go to any topic of a cloud, but no rule is for the services of another Sallyport.
  if (!filterCovers(serviceTopics, filter)) return undefined;
  return `remote topics "${filter}" belong to the services of another Sallyport. Use another prefix.`;
}
