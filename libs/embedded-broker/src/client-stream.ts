import { Duplex } from 'node:stream';
import { PacketMeter } from './packet-meter.js';

/**
 * A client's connection as the broker sees it. A packet over the limit ends it before the packet is buffered. Packets
 * written in one turn of the event loop leave as one write: most of the CPU time of a broker goes into system calls.
 */
export class ClientStream extends Duplex {
  private readonly meter: PacketMeter;

  constructor(
    private readonly socket: Duplex,
    largestPacketBytes: number,
  ) {
    super();
    this.meter = new PacketMeter(largestPacketBytes);
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.forward(bytes, done);
  }

  override _writev(writes: { chunk: Buffer }[], done: () => void): void {
    this.forward(Buffer.concat(writes.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  private receive(bytes: Buffer): void {
    if (!this.meter.accept(bytes)) this.destroy(new Error('an MQTT packet is larger than the broker takes'));
    else if (!this.push(bytes)) this.socket.pause();
  }

  /** Until `done` is called, the stream collects what is written. The next call sends it together. */
  private forward(bytes: Buffer, done: () => void): void {
    if (this.socket.write(bytes)) setImmediate(done);
    else this.socket.once('drain', done);
  }
}
