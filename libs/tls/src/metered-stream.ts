import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** Since Node 23.9 for this thread alone; before, that of the process, which is never less. */
const { threadCpuUsage: cpuUsage = process.cpuUsage } = process;

export interface MeterOptions {
  /** What the client may send until `stopWatching`; with more, the connection ends. */
  readonly mostBytes: number;
  /** Asked before OpenSSL gets what the client sent after our first answer; when false, the connection ends. */
  readonly mayGoOn: () => boolean;
  /** Told the CPU time OpenSSL took for that, in milliseconds. */
  readonly onCost: (costMs: number) => void;
}

/** Why a connection was ended during its handshake. */
export type MeterFault = 'too-long' | 'too-costly';

/**
 * A TCP connection whose handshake is watched: TLS on top of it gets the client's bytes from here, so they can be
 * counted before OpenSSL sees them, and the time OpenSSL takes over them is known. Costs a copy of every byte for as
 * long as the connection lives, since Node cannot give a TLS socket another stream later.
 */
export class MeteredStream extends Duplex {
  readonly #socket: Socket;
  readonly #options: MeterOptions;
  #bytesLeft: number;
  #isWatching = true;
  #cpuMs = 0;
  /** Certificates come after our first answer; what comes before costs the same for everybody. */
  #hasAnswered = false;
  #fault: MeterFault | undefined;
  /** What cannot be passed on yet. The socket is paused meanwhile. */
  #held: Buffer | undefined;
  #hasEnded = false;
  /** Lets the next bytes be written. */
  #onRoom: (() => void) | undefined;

  constructor(socket: Socket, options: MeterOptions) {
    // As the TCP socket: who has stopped sending is not sent to.
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#options = options;
    this.#bytesLeft = options.mostBytes;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('end', () => this.#takeEnd());
    socket.on('drain', () => this.#takeRoom());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.#takeClose());
  }

  get fault(): MeterFault | undefined {
    return this.#fault;
  }

  /** CPU time of this thread for what the client sent, in milliseconds. */
  get cpuMs(): number {
    return this.#cpuMs;
  }

  /** The handshake is over: from here on bytes only pass. */
  stopWatching(): void {
    this.#isWatching = false;
    // Who asked for it while it was held will not ask again.
    if (this.#held !== undefined) this.#readOn();
  }

  override _read(): void {
    this.#readOn();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#forward([bytes], done);
  }

  override _writev(writes: { chunk: Buffer }[], done: () => void): void {
    this.#forward(
      writes.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: () => void): void {
    if (this.#socket.destroyed) done();
    else this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #readOn(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#feed(held);
    if (this.#held !== undefined) return;
    if (this.#hasEnded) this.push(null);
    else this.#socket.resume();
  }

  #receive(bytes: Buffer): void {
    if (this.#isWatching || this.#held !== undefined) this.#feed(bytes);
    else if (!this.push(bytes)) this.#socket.pause();
  }

  /**
   * Gives OpenSSL no more than the client may send, and the rest when that was enough for a handshake: a client may
   * send its first request together with the end of its handshake.
   */
  #feed(bytes: Buffer): void {
    if (this.#isWatching && this.#hasAnswered && !this.#options.mayGoOn()) {
      this.#endWith('too-costly');
      return;
    }
    const most = this.#isWatching ? this.#bytesLeft : bytes.length;
    const [now, later] = [bytes.subarray(0, most), bytes.subarray(most)];
    this.#bytesLeft -= now.length;
    const isTaken = now.length === 0 || this.#measure(now);
    if (later.length === 0) {
      if (!isTaken) this.#socket.pause();
    } else if (this.readableLength > 0) this.#hold(later);
    else if (this.#isWatching) this.#endWith('too-long');
    else this.#feed(later);
  }

  /** OpenSSL works on the bytes before this returns, unless they have to wait. */
  #measure(bytes: Buffer): boolean {
    const isAnswer = this.#hasAnswered;
    const before = cpuUsage();
    const isTaken = this.push(bytes);
    const { user, system } = cpuUsage(before);
    const costMs = (user + system) / 1000;
    this.#cpuMs += costMs;
    if (isAnswer) this.#options.onCost(costMs);
    return isTaken;
  }

  /** The end comes after what is held, though the socket may tell it before. */
  #takeEnd(): void {
    this.#hasEnded = true;
    if (this.#held === undefined) this.push(null);
  }

  /** A client may close when it has sent all; what nobody has read yet is still to be read, as it would be from TCP. */
  #takeClose(): void {
    if (!this.#hasEnded || this.readableEnded) this.destroy();
    else this.#takeRoom();
  }

  #takeRoom(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  #hold(bytes: Buffer): void {
    this.#held = bytes;
    this.#socket.pause();
  }

  #endWith(fault: MeterFault): void {
    this.#fault = fault;
    this.destroy();
  }

  #forward(chunks: readonly Buffer[], done: () => void): void {
    this.#hasAnswered = true;
    if (this.#socket.destroyed) {
      // The peer has gone. TCP takes such bytes too.
      done();
      return;
    }
    this.#socket.cork();
    const isRoomLeft = chunks.map((chunk) => this.#socket.write(chunk)).at(-1) === true;
    this.#socket.uncork();
    if (isRoomLeft) done();
    else this.#onRoom = done;
  }
}
