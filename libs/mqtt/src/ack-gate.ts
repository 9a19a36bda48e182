import { Duplex } from 'node:stream';

const pubackType = 0x40;

/**
 * The byte stream between MQTT.js and the socket, which decides when a PUBACK leaves. MQTT.js can delay
 * acknowledgements only by stopping to read, one message at a time, and then hears no PINGRESP either. So it
 * acknowledges at once, and the PUBACK waits here until its message has been handled.
 */
export class AckGate extends Duplex {
  /** Packet identifiers whose PUBACK may pass. */
  private readonly released = new Set<number>();
  /** The beginning of a packet whose end has not been written yet. */
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly transport: Duplex) {
    super();
    transport.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) transport.pause();
    });
    transport.on('end', () => this.push(null));
    transport.on('error', (error) => this.destroy(error));
    transport.on('close', () => this.destroy());
  }

  /** Sends the PUBACK of a message. */
  acknowledge(packetId: number): void {
    if (this.destroyed || this.writableEnded) return;
    this.released.add(packetId);
    this.cork();
    this.write(Buffer.from([pubackType, 2, packetId >> 8, packetId & 0xff]));
    process.nextTick(() => this.uncork());
  }

  override _read(): void {
    this.transport.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.forward(bytes, done);
  }

  override _writev(writes: { chunk: Buffer }[], done: () => void): void {
    this.forward(Buffer.concat(writes.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.transport.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.transport.destroy();
    done(error);
  }

  private forward(bytes: Buffer, done: () => void): void {
    const passing = this.passing(this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]));
    if (passing.length === 0 || this.transport.write(passing)) done();
    else this.transport.once('drain', done);
  }

  /** The whole packets of the bytes, less the PUBACKs that are not released. */
  private passing(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    let [from, at] = [0, 0];
    for (let end = packetEnd(bytes, at); end !== undefined; end = packetEnd(bytes, at)) {
      if (bytes[at] === pubackType && !this.released.delete(bytes.readUInt16BE(at + 2))) {
        parts.push(bytes.subarray(from, at));
        from = end;
      }
      at = end;
    }
    this.rest = bytes.subarray(at);
    const last = bytes.subarray(from, at);
    return parts.length === 0 ? last : Buffer.concat([...parts, last]);
  }
}

/**
 * Where the packet that starts at an offset ends; undefined when not all of it is there.
 *
 * @see MQTT 3.1.1 §2.2.3: the remaining length is one to four bytes of seven bits, the lowest first
 */
function packetEnd(bytes: Buffer, start: number): number | undefined {
  let length = 0;
  for (let index = 0; index < 4; index++) {
    const byte = bytes[start + 1 + index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** index;
    if (byte >= 0x80) continue;
    const end = start + 2 + index + length;
    return end <= bytes.length ? end : undefined;
  }
  return undefined;
}
