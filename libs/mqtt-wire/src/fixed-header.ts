import { sizeOfVariableInteger } from './frame-writer.js';
import { malformed, protocolError } from './packet-error.js';
import { nameOf, type ProtocolVersion, packetTypes } from './packets.js';

const longestLengthBytes = 4;
const duplicateBit = 0x08;

/** The flags that each type must have; PUBLISH uses its own (MQTT 5.0 §2.1.3 [MQTT-2.1.3-1]). */
const flagsOfType = [0, 0, 0, undefined, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0] as const;

/** The fixed header of a packet. One object serves a whole connection. */
export class FixedHeader {
  /** Number of the packet type. */
  type = 0;
  /** Low four bits of the first byte. */
  flags = 0;
  /** Length of the header, in bytes. */
  bytes = 0;
  /** Length of the packet behind the header, in bytes. */
  bodyBytes = 0;

  /**
   * Reads a header from the bytes from `start` to `end`.
   *
   * @returns false when they do not hold the whole header
   * @throws PacketError for a remaining length of more than four bytes
   * @see MQTT 5.0 §2.1.4
   */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (start >= end) return false;
    const first = bytes[start] ?? 0;
    this.type = first >> 4;
    this.flags = first & 0x0f;
    this.bodyBytes = 0;
    for (let count = 1; count <= longestLengthBytes; count += 1) {
      if (start + count >= end) return false;
      const byte = bytes[start + count] ?? 0;
      this.bodyBytes |= (byte & 0x7f) << (7 * (count - 1));
      this.bytes = 1 + count;
      if (byte < 0x80) return true;
    }
    throw malformed('the remaining length of a packet has more than four bytes');
  }

  /**
   * @param version undefined before CONNECT
   * @throws PacketError for a type that is not defined, and for reserved flags
   */
  check(version: ProtocolVersion | undefined): void {
    const isDefined = packetTypes[this.type] !== 'reserved' && (this.type !== authType || version === 5);
    if (!isDefined) throw protocolError(`packet type ${this.type} is not defined`);
    const expected = flagsOfType[this.type];
    // MQTT 3.1 §2.1: SUBSCRIBE, UNSUBSCRIBE and PUBREL may be sent again with DUP.
    const flags = version === 3 && expected === 2 ? this.flags & ~duplicateBit : this.flags;
    if (expected !== undefined && flags !== expected)
      throw malformed(`${nameOf(this.type)} has the reserved flags ${this.flags}, not ${expected}`);
    // [MQTT-1.5.5-1]; MQTT 3.1.1 does not say it, and some small clients always send four bytes.
    if (version === 5 && sizeOfVariableInteger(this.bodyBytes) !== this.bytes - 1)
      throw malformed(`the remaining length of ${nameOf(this.type)} is longer than it needs to be`);
  }
}

const authType = packetTypes.indexOf('auth');
