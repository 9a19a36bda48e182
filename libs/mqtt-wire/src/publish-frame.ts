import { encodePublish } from './encode.js';
import { sizeOfVariableInteger } from './frame-writer.js';
import type { ProtocolVersion, PublishPacket } from './packets.js';

const duplicateBit = 0x08;

/**
 * A PUBLISH that is encoded once and sent to many: each delivery is a copy of the bytes with its own packet
 * identifier. With QoS 0 there is no identifier, and all may be sent the same bytes.
 */
export class PublishFrame {
  /** As encoded, with the packet identifier of the message it was made from. */
  readonly bytes: Buffer;
  /** Where the packet identifier stands; 0 with QoS 0. */
  private readonly packetIdAt: number;
  /** The identifier in the bytes, once they were lent. */
  private lentId: number | undefined;

  constructor(publish: PublishPacket, version: ProtocolVersion) {
    this.bytes = encodePublish(publish, version);
    this.packetIdAt = publish.qos === 0 ? 0 : packetIdPlace(this.bytes);
  }

  get byteLength(): number {
    return this.bytes.length;
  }

  /**
   * The bytes themselves with the identifier of one receiver, to be sent without a copy. They do not change any more.
   *
   * @returns undefined when another receiver has them already
   */
  lend(packetId: number): Buffer | undefined {
    if (this.packetIdAt === 0) return this.bytes;
    this.lentId ??= packetId;
    if (this.lentId !== packetId) return undefined;
    setPacketId(this.bytes, this.packetIdAt, packetId);
    return this.bytes;
  }

  /** A copy for one receiver. */
  withPacketId(packetId: number): Buffer {
    const copy = Buffer.allocUnsafe(this.bytes.length);
    this.copyTo(copy, 0, packetId);
    return copy;
  }

  /**
   * Writes the packet into a larger buffer, such as one that gathers all packets of a turn.
   *
   * @param at where it starts; `byteLength` bytes must be free
   * @returns the place behind it
   */
  copyTo(target: Buffer, at: number, packetId: number): number {
    target.set(this.bytes, at);
    if (this.packetIdAt > 0) setPacketId(target, at + this.packetIdAt, packetId);
    return at + this.bytes.length;
  }
}

/**
 * Sets the DUP flag of an encoded PUBLISH that is sent again.
 *
 * @see MQTT 5.0 §3.3.1.1 [MQTT-3.3.1-1]
 */
export function markDuplicate(publish: Buffer): void {
  publish[0] = (publish[0] ?? 0) | duplicateBit;
}

function packetIdPlace(frame: Buffer): number {
  // The remaining length is as short as it can be, so its size follows from the size of the whole.
  let lengthBytes = 1;
  while (sizeOfVariableInteger(frame.length - 1 - lengthBytes) > lengthBytes) lengthBytes += 1;
  const topicAt = 1 + lengthBytes;
  return topicAt + 2 + frame.readUInt16BE(topicAt);
}

function setPacketId(bytes: Buffer, at: number, packetId: number): void {
  bytes[at] = packetId >> 8;
  bytes[at + 1] = packetId & 0xff;
}
