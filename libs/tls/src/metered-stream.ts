import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { freeMemory } from '@sallyport/http';

const { threadCpuUsage: cpuUsage = process.cpuUsage } = process;

/** CPU time of this thread so far (Node 23.9 and newer), or else of the process, which is never less; milliseconds. */
function threadCpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

export interface MeterOptions {
  /** Bytes the client may send until `stopWatching`. With more, the connection ends. */
  readonly mostBytes: number;
  /** Called before OpenSSL gets bytes that came after our first answer. When false, the connection ends. */
  readonly mayGoOn: () => boolean;
  /** Called with the CPU time OpenSSL took for them, in milliseconds. */
  readonly onCost: (costMs: number) => void;
  /** CPU time of this thread so far, in milliseconds; default that of the machine. */
  readonly cpuClockMs?: (() => number) | undefined;
}

/** Why a connection was ended during its handshake. */
export type MeterFault = 'too-long' | 'too-costly';

/**
 * Passes a client's bytes from TCP to TLS, counts them before OpenSSL sees them, and measures how long OpenSSL takes.
 * Copies every byte for the whole life of the connection, because Node cannot replace the stream below a TLS socket.
 * Frees the copies at once. So only TLS may read from it and write to it: TLS does not use them again.
 */
export class MeteredStream extends Duplex {
  private readonly socket: Socket;
  private readonly options: MeterOptions;
  private bytesLeft: number;
  private isWatching = true;
  private usedCpuMs = 0;
  /** Certificates come only after our first answer. What comes before costs the same for every client. */
  private hasAnswered = false;
  private endedFor: MeterFault | undefined;
  /** Bytes that must wait. The socket is paused meanwhile. */
  private held: Buffer | undefined;
  private hasEnded = false;

  constructor(socket: Socket, options: MeterOptions) {
    // When the client ends its side, TLS ends ours, as soon as everything written before has been sent.
    super({ allowHalfOpen: true });
    socket.allowHalfOpen = true;
    this.socket = socket;
    this.options = options;
    this.bytesLeft = options.mostBytes;
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('end', () => this.takeEnd());
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.takeClose());
  }

  get fault(): MeterFault | undefined {
    return this.endedFor;
  }

  /** CPU time of this thread for what the client sent, in milliseconds. */
  get cpuMs(): number {
    return this.usedCpuMs;
  }

  /** The handshake is over. From now on bytes are neither counted nor measured. */
  stopWatching(): void {
    this.isWatching = false;
    // The reader asked for these bytes already, and will not ask again.
    if (this.held !== undefined) this.readOn();
  }

  override _read(): void {
    this.readOn();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.forward([bytes], done);
  }

  override _writev(writes: { chunk: Buffer }[], done: () => void): void {
    this.forward(
      writes.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: () => void): void {
    if (this.socket.destroyed) done();
    else this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  private readOn(): void {
    const held = this.held;
    this.held = undefined;
    if (held !== undefined) this.feed(held);
    if (this.held !== undefined) return;
    if (this.hasEnded) this.push(null);
    else this.socket.resume();
  }

  private receive(bytes: Buffer): void {
    if (this.isWatching || this.held !== undefined) this.feed(bytes);
    else {
      if (!this.push(bytes)) this.socket.pause();
      // With nothing left to read, TLS has taken them inside `push`.
      if (this.readableLength === 0) freeMemory(bytes);
    }
  }

  /**
   * Gives OpenSSL at most the bytes the client may send. The rest follows if these were enough for the handshake: a
   * client may send its first request together with the end of its handshake.
   */
  private feed(bytes: Buffer): void {
    if (this.isWatching && this.hasAnswered && !this.options.mayGoOn()) {
      this.endWith('too-costly');
      return;
    }
    const most = this.isWatching ? this.bytesLeft : bytes.length;
    const [now, later] = [bytes.subarray(0, most), bytes.subarray(most)];
    this.bytesLeft -= now.length;
    const isTaken = now.length === 0 || this.measure(now);
    if (later.length === 0) {
      if (!isTaken) this.socket.pause();
    } else if (this.readableLength > 0) this.hold(later);
    else if (this.isWatching) this.endWith('too-long');
    else this.feed(later);
  }

  /** OpenSSL works on the bytes inside `push`, unless it has earlier ones to read. */
  private measure(bytes: Buffer): boolean {
    const isAnswer = this.hasAnswered;
    const { cpuClockMs = threadCpuMs } = this.options;
    const before = cpuClockMs();
    const isTaken = this.push(bytes);
    const costMs = cpuClockMs() - before;
    this.usedCpuMs += costMs;
    if (isAnswer) this.options.onCost(costMs);
    return isTaken;
  }

  /** The end must come after the held bytes, even if the socket reports it earlier. */
  private takeEnd(): void {
    this.hasEnded = true;
    if (this.held === undefined) this.push(null);
  }

  /** A client may close right after it has sent everything. Its bytes can still be read, as from a TCP socket. */
  private takeClose(): void {
    if (!this.hasEnded || this.readableEnded) this.destroy();
  }

  private hold(bytes: Buffer): void {
    this.held = bytes;
    this.socket.pause();
  }

  private endWith(fault: MeterFault): void {
    this.endedFor = fault;
    this.destroy();
  }

  private forward(chunks: readonly Buffer[], done: () => void): void {
    this.hasAnswered = true;
    if (this.socket.destroyed) {
      // The peer has gone. A TCP socket ignores such bytes too.
      done();
      return;
    }
    this.socket.cork();
    for (const chunk of chunks.slice(0, -1)) this.send(chunk);
    // As with a TCP socket below TLS: only when the kernel has these bytes, TLS encrypts the next ones.
    for (const chunk of chunks.slice(-1)) this.send(chunk, done);
    this.socket.uncork();
  }

  private send(chunk: Buffer, done?: () => void): void {
    this.socket.write(chunk, (error) => {
      // After an error, the kernel may still have to read the bytes.
      if (!error) freeMemory(chunk);
      done?.();
    });
  }
}
