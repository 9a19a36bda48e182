import { isTopicName } from '@sallyport/protocol';
import { describeTopic } from './decode-connect.js';
import type { PacketCursor } from './packet-cursor.js';
import { malformed, PacketError, protocolError } from './packet-error.js';
import type { ProtocolVersion, PublishPacket, Qos } from './packets.js';
import { readProperties } from './properties.js';
import { qosOf } from './qos.js';
import { reasonCodes } from './reason-codes.js';
import { decodeText } from './text.js';

const retainBit = 0x01;
const duplicateBit = 0x08;

/** The last topic of a connection: most publishers use few, and a topic that is known needs no decoding and no check. */
export class TopicMemory {
  private topic = '';
  private bytes: Buffer = Buffer.alloc(0);
  private length = 0;

  /** @throws PacketError when the bytes are no topic name; no bytes stand for a topic alias and give '' */
  topicOf(chunk: Buffer, start: number, end: number): string {
    if (this.isLast(chunk, start, end)) return this.topic;
    const bytes = chunk.subarray(start, end);
    const topic = decodeText(bytes, 'the topic of PUBLISH');
    if (topic !== '' && !isTopicName(topic))
      throw new PacketError(`the topic of PUBLISH ${describeTopic(topic)}`, reasonCodes.topicNameInvalid);
    if (bytes.length <= longestRememberedBytes) this.remember(topic, bytes);
    return topic;
  }

  /** In a copy: the packet's bytes are part of a larger chunk, which must not live as long as the connection. */
  private remember(topic: string, bytes: Buffer): void {
    if (bytes.length > this.bytes.length) this.bytes = Buffer.from(bytes);
    else this.bytes.set(bytes);
    this.topic = topic;
    this.length = bytes.length;
  }

  private isLast(chunk: Buffer, start: number, end: number): boolean {
    const { bytes: last, length } = this;
    if (length !== end - start) return false;
    // From the end, where the topics of one client differ.
    for (let at = length - 1; at >= 0; at -= 1) if (last[at] !== chunk[start + at]) return false;
    return true;
  }
}

const longestRememberedBytes = 256;

/** What a connection knows while its packets are read. */
export interface ConnectionFormat {
  readonly version: ProtocolVersion;
  readonly topics: TopicMemory;
}

/**
 * @param flags low four bits of the fixed header
 * @see MQTT 5.0 §3.3
 */
export function decodePublish(
  cursor: PacketCursor,
  flags: number,
  { version, topics }: ConnectionFormat,
): PublishPacket {
  const qos = readQos(flags);
  const topic = readTopic(cursor, topics);
  const packetId = qos === 0 ? 0 : cursor.packetId();
  const properties = version === 5 ? readProperties(cursor, 'publish') : undefined;
  if (topic === '' && properties?.topicAlias === undefined)
    throw protocolError('PUBLISH has an empty topic and no topic alias');
  const [retain, isDuplicate] = [(flags & retainBit) !== 0, (flags & duplicateBit) !== 0];
  return { type: 'publish', topic, payload: cursor.rest(), qos, retain, isDuplicate, packetId, properties };
}

function readTopic(cursor: PacketCursor, topics: TopicMemory): string {
  const length = cursor.uint16('topic');
  const start = cursor.skip(length, 'topic');
  return topics.topicOf(cursor.bytes, start, start + length);
}

function readQos(flags: number): Qos {
  const qos = qosOf((flags >> 1) & 3, 'PUBLISH');
  // [MQTT-3.3.1-2]
  if (qos === 0 && (flags & duplicateBit) !== 0) throw malformed('PUBLISH has QoS 0 and the DUP flag');
  return qos;
}

/** The first byte of a PUBLISH. */
export function publishHeader({
  qos,
  retain,
  isDuplicate,
}: Pick<PublishPacket, 'qos' | 'retain' | 'isDuplicate'>): number {
  return 0x30 | (isDuplicate ? duplicateBit : 0) | (qos << 1) | (retain ? retainBit : 0);
}
