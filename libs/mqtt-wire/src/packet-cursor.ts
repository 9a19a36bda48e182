import { malformed, protocolError } from './packet-error.js';
import { decodeText } from './text.js';

/** Reads the fields of a packet in their order. Each read checks that the field is inside the packet. */
export class PacketCursor {
  bytes: Buffer = Buffer.alloc(0);
  /** As errors name the packet. */
  packetName = '';
  private position = 0;
  private bound = 0;

  /** Starts at another packet: one cursor serves a whole connection. */
  aim(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.position = start;
    this.bound = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.bound - this.position;
  }

  byte(field: string): number {
    return this.bytes[this.skip(1, field)] ?? 0;
  }

  uint16(field: string): number {
    const at = this.skip(2, field);
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0);
  }

  uint32(field: string): number {
    return this.bytes.readUInt32BE(this.skip(4, field));
  }

  /** @see MQTT 5.0 §1.5.5: at most four bytes, and as few as the value needs [MQTT-1.5.5-1] */
  variableInteger(field: string): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte(field);
      value += (byte & 0x7f) << shift;
      if (byte === 0 && shift > 0) throw malformed(`${field} of ${this.packetName} is longer than it needs to be`);
      if (byte < 0x80) return value;
    }
    throw malformed(`${field} of ${this.packetName} has more than four bytes`);
  }

  /** A view, not a copy. */
  binary(field: string): Buffer {
    const length = this.uint16(field);
    const start = this.skip(length, field);
    return this.bytes.subarray(start, start + length);
  }

  text(field: string): string {
    return decodeText(this.binary(field), `${field} of ${this.packetName}`);
  }

  /** All that is left, as a view. */
  rest(): Buffer {
    const start = this.position;
    this.position = this.bound;
    return this.bytes.subarray(start, this.bound);
  }

  /** @see MQTT 5.0 §2.2.1 [MQTT-2.2.1-3]: not zero */
  packetId(): number {
    const packetId = this.uint16('packet identifier');
    if (packetId === 0) throw protocolError(`${this.packetName} has packet identifier 0`);
    return packetId;
  }

  /** @throws PacketError when bytes are left */
  end(): void {
    if (this.left > 0) throw malformed(`${this.packetName} has ${this.left} bytes behind its last field`);
  }

  /** Goes on behind the next bytes; returns where they start. */
  skip(length: number, field: string): number {
    const start = this.position;
    if (length > this.bound - start) throw malformed(`${this.packetName} ends inside its ${field}`);
    this.position = start + length;
    return start;
  }
}
