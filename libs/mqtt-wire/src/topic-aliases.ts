import { PacketError, protocolError } from './packet-error.js';
import type { PublishPacket } from './packets.js';
import { reasonCodes } from './reason-codes.js';

/**
 * Topics that a sender has given a number. They end with the connection.
 *
 * @see MQTT 5.0 §3.3.2.3.4
 */
export class TopicAliases {
  private readonly topicByAlias = new Map<number, string>();

  constructor(private readonly most: number) {}

  /**
   * The same packet with its topic and without the alias, which has a meaning between two parties only.
   *
   * @throws PacketError for an alias above the limit, or one without a topic
   */
  resolve(publish: PublishPacket): PublishPacket {
    const { topicAlias = 0, ...properties } = publish.properties ?? {};
    // [MQTT-3.3.2-9]
    if (topicAlias > this.most)
      throw new PacketError(
        `topic alias ${topicAlias} is above the maximum of ${this.most}`,
        reasonCodes.topicAliasInvalid,
      );
    if (publish.topic !== '') this.topicByAlias.set(topicAlias, publish.topic);
    const topic = this.topicByAlias.get(topicAlias);
    if (topic === undefined) throw protocolError(`topic alias ${topicAlias} has no topic yet`);
    return { ...publish, topic, properties: Object.keys(properties).length === 0 ? undefined : properties };
  }
}
