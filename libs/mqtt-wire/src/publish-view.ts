import { isTopicName } from '@sallyport/protocol';
import { describeTopic } from './decode-connect.js';
import { PacketCursor } from './packet-cursor.js';
import { malformed, PacketError, protocolError } from './packet-error.js';
import type { ProtocolVersion } from './packets.js';
import { type Properties, readProperties } from './properties.js';
import { reasonCodes } from './reason-codes.js';
import { decodeText } from './text.js';

/** Number of PUBLISH in the fixed header. */
export const publishTypeNumber = 3;

/** Where a packet is. A PacketReader is one after `advance`. */
export interface FramePlace {
  readonly frameBytes: Buffer;
  readonly frameStart: number;
  /** Behind the fixed header. */
  readonly bodyStart: number;
  readonly frameEnd: number;
}

const retainBit = 0x01;
const duplicateBit = 0x08;

/**
 * Finds the fields of a PUBLISH in its bytes, for those who pass it on. Topic and properties are decoded only when they
 * are asked for, and nothing is copied. One object serves a whole connection.
 */
export class PublishView {
  /** All places below are in here. */
  bytes: Buffer = Buffer.alloc(0);
  /** Where the fixed header starts. */
  start = 0;
  qos = 0;
  isRetained = false;
  isDuplicate = false;
  topicStart = 0;
  topicEnd = 0;
  /** 0 with QoS 0. */
  packetId = 0;
  /** Where the property length starts; the same as `payloadStart` before MQTT 5. */
  propertiesStart = 0;
  payloadStart = 0;
  end = 0;
  private readonly cursor = new PacketCursor();

  constructor(private readonly version: ProtocolVersion) {
    this.cursor.packetName = 'PUBLISH';
  }

  /** Bytes of the packet with its fixed header. */
  get byteLength(): number {
    return this.end - this.start;
  }

  /** True when there are properties, so that `properties` must be asked. */
  get hasProperties(): boolean {
    return this.payloadStart - this.propertiesStart > 1;
  }

  /**
   * Aims at another PUBLISH.
   *
   * @throws PacketError when its fields do not fit into it
   */
  aim(place: FramePlace): void {
    const flags = place.frameBytes[place.frameStart] ?? 0;
    this.qos = (flags >> 1) & 3;
    this.isRetained = (flags & retainBit) !== 0;
    this.isDuplicate = (flags & duplicateBit) !== 0;
    // [MQTT-3.3.1-4], [MQTT-3.3.1-2]
    if (this.qos === 3 || (this.qos === 0 && this.isDuplicate)) throw malformed('PUBLISH has flags that do not fit');
    this.bytes = place.frameBytes;
    this.start = place.frameStart;
    this.end = place.frameEnd;
    this.findFields(place.bodyStart);
  }

  private findFields(bodyStart: number): void {
    const { bytes, end } = this;
    this.topicStart = bodyStart + 2;
    this.topicEnd = this.topicStart + uint16(bytes, bodyStart);
    const idEnd = this.qos === 0 ? this.topicEnd : this.topicEnd + 2;
    if (idEnd > end || this.topicStart > end) throw malformed('PUBLISH ends inside its topic or packet identifier');
    this.packetId = this.qos === 0 ? 0 : uint16(bytes, this.topicEnd);
    if (this.qos > 0 && this.packetId === 0) throw protocolError('PUBLISH has packet identifier 0');
    this.propertiesStart = idEnd;
    this.payloadStart = this.version === 5 ? this.endOfProperties(idEnd) : idEnd;
  }

  private endOfProperties(start: number): number {
    // Most messages have none.
    if (this.bytes[start] === 0 && start < this.end) return start + 1;
    this.cursor.aim(this.bytes, start, this.end);
    const length = this.cursor.variableInteger('property length');
    if (length > this.cursor.left) throw malformed('PUBLISH ends inside its properties');
    return this.end - this.cursor.left + length;
  }

  /**
   * @throws PacketError when it is no topic name, and when it is empty: topic aliases have to be resolved by who allowed
   *   them
   */
  topic(): string {
    const topic = decodeText(this.bytes.subarray(this.topicStart, this.topicEnd), 'the topic of PUBLISH');
    if (isTopicName(topic)) return topic;
    throw new PacketError(`the topic of PUBLISH ${describeTopic(topic)}`, reasonCodes.topicNameInvalid);
  }

  /** @throws PacketError for what must not be in them */
  properties(): Properties | undefined {
    if (!this.hasProperties) return undefined;
    this.cursor.aim(this.bytes, this.propertiesStart, this.payloadStart);
    return readProperties(this.cursor, 'publish');
  }
}

function uint16(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
