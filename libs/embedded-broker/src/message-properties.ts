import type { Properties } from '@sallyport/mqtt-wire';

// Memory of the object around a text or a list, roughly.
const overheadBytes = 32;

/**
 * The properties that belong to a message and go to its receivers unchanged [MQTT-3.3.2-4]. Topic alias and
 * subscription identifiers belong to a connection, and the delay to a will.
 *
 * @returns a copy: binary values come as views of a larger chunk, which must not live as long as the message
 */
export function messageProperties(properties: Properties | undefined): Properties | undefined {
  if (properties === undefined) return undefined;
  const { topicAlias: _alias, subscriptionIdentifiers: _ids, willDelayInterval: _delay, ...own } = properties;
  if (Object.keys(own).length === 0) return undefined;
  const { correlationData } = own;
  return correlationData === undefined ? own : { ...own, correlationData: Buffer.from(correlationData) };
}

/** What properties cost in memory and on disk, in bytes. */
export function sizeOfProperties(properties: Properties | undefined): number {
  if (properties === undefined) return 0;
  const { contentType = '', responseTopic = '', correlationData, userProperties = [] } = properties;
  const pairs = userProperties.reduce((sum, [name, value]) => sum + name.length + value.length + 2 * overheadBytes, 0);
  return overheadBytes + contentType.length + responseTopic.length + (correlationData?.length ?? 0) + pairs;
}
