import { encodeProperties, PacketError, type PublishView, reasonCodes } from '@sallyport/mqtt-wire';

/**
 * The properties of a message that its destination gets, encoded. Subscription identifiers have a meaning on one
 * connection only, so they are left out. All others are kept, and the expiry is less by the time the message waited.
 *
 * @returns undefined when the message expired while it waited
 * @throws PacketError for properties that are not as MQTT 5 says, and for a topic alias: none was allowed
 */
export function passingProperties(view: PublishView, waitedMs: number): Buffer | undefined {
  const { subscriptionIdentifiers: _, messageExpiryInterval, ...kept } = view.properties() ?? {};
  if (kept.topicAlias !== undefined)
    throw new PacketError('the broker used a topic alias, and none is allowed', reasonCodes.topicAliasInvalid);
  if (messageExpiryInterval === undefined) return encodeProperties(kept);
  const left = messageExpiryInterval - Math.floor(waitedMs / 1000);
  return left > 0 ? encodeProperties({ ...kept, messageExpiryInterval: left }) : undefined;
}
