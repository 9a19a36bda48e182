import { Duplex } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { z } from 'zod';

/** Bytes that may be under way to the other thread. More wait in the stream, which then tells its writer to pause. */
const defaultWindowBytes = 256 * 1024;

/** What the two ends of a port say. Both ends are ours and in this process. */
const portMessage = z.union([
  z.instanceof(Uint8Array),
  z.strictObject({ taken: z.number().int().positive() }),
  z.literal('end'),
]);

export interface PortStreamOptions {
  /** Default 256 KiB. */
  readonly windowBytes?: number;
}

/**
 * A byte stream to another thread over a message port. What is written in one turn of the event loop goes over as one
 * message, because a message costs much more than its bytes. When either end is destroyed, the port is closed, and so is
 * the other end.
 */
export class PortStream extends Duplex {
  private readonly windowBytes: number;
  /** Written in this turn. */
  private gathered: Buffer[] = [];
  private isFlushDue = false;
  /** Given to the port, and not yet taken at the other end. */
  private underWay = 0;
  /** Of the last write, while there is no room for it. */
  private whenRoom: (() => void) | undefined;
  /** Taken here, and not yet told to the other end. */
  private untold = 0;
  /** Bytes that nobody has asked for yet; then they are told as taken when somebody does. */
  private unread = 0;

  constructor(
    private readonly port: MessagePort,
    { windowBytes = defaultWindowBytes }: PortStreamOptions = {},
  ) {
    super({ allowHalfOpen: false, highWaterMark: windowBytes });
    this.windowBytes = windowBytes;
    port.on('message', (message: unknown) => this.receive(message));
    port.once('close', () => this.destroy());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.gather(chunk);
    this.doneWhenRoom(done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.gather(chunk);
    this.doneWhenRoom(done);
  }

  override _final(done: () => void): void {
    this.flush();
    this.port.postMessage('end');
    done();
  }

  override _read(): void {
    const { unread } = this;
    this.unread = 0;
    this.tell(unread);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.gathered = [];
    this.whenRoom = undefined;
    this.port.close();
    done(error);
  }

  private gather(chunk: Buffer): void {
    this.gathered.push(chunk);
    this.underWay += chunk.length;
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(() => this.flush());
  }

  private doneWhenRoom(done: () => void): void {
    if (this.underWay < this.windowBytes) done();
    else this.whenRoom = done;
  }

  private flush(): void {
    this.isFlushDue = false;
    if (this.gathered.length === 0 || this.destroyed) return;
    const total = this.gathered.reduce((sum, { length }) => sum + length, 0);
    // Memory of its own: it moves to the other thread.
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const chunk of this.gathered) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.gathered = [];
    this.port.postMessage(bytes, [bytes.buffer]);
  }

  private receive(given: unknown): void {
    const message = portMessage.parse(given);
    if (message === 'end') this.push(null);
    else if (message instanceof Uint8Array) this.takeBytes(message);
    else this.makeRoom(message.taken);
  }

  private takeBytes(bytes: Uint8Array): void {
    const isWanted = this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (isWanted) this.tell(bytes.length);
    else this.unread += bytes.length;
  }

  private makeRoom(bytes: number): void {
    this.underWay -= bytes;
    const { whenRoom } = this;
    if (whenRoom === undefined || this.underWay >= this.windowBytes) return;
    this.whenRoom = undefined;
    whenRoom();
  }

  /** Not of each chunk, because a message would cost as much. The rest is never so much that the other end has to wait. */
  private tell(bytes: number): void {
    this.untold += bytes;
    if (this.untold < this.windowBytes / 4 || this.destroyed) return;
    this.port.postMessage({ taken: this.untold });
    this.untold = 0;
  }
}
