import type { Duplex } from 'node:stream';
import { encodeMessage } from '../encode-message.js';
import { FrameError } from '../frame-error.js';
import { FrameReader } from '../frame-reader.js';
import type { CoapMessage } from '../message.js';
import type { EndpointLimits } from './limits.js';

/** Takes what comes over a message stream. */
export interface MessageStreamUser {
  message(message: CoapMessage): void;
  /** Bytes that are no CoAP; the user ends the stream. */
  faulty(error: FrameError): void;
  /** The peer takes bytes again. */
  writable(): void;
  /** The peer has closed its side. */
  finished(): void;
  /** Called once, when the stream is gone. */
  closed(): void;
}

export interface MessageStreamOptions {
  readonly stream: Duplex;
  readonly limits: EndpointLimits;
  readonly user: MessageStreamUser;
}

/** What the peer of a stream has been slow with, if anything. */
export type Overdue = 'first-message' | 'frame' | 'not-reading';

// A chunk of the network may hold thousands of messages. The other connections get their turn in between.
const mostMessagesATurn = 64;

/**
 * A byte stream as messages in and out. Messages of one turn of the event loop leave as one write, since system calls
 * and TLS records cost more than the messages.
 */
export class MessageStream {
  private readonly openedAt = performance.now();
  private lastReceivedAt = this.openedAt;
  private readonly reader: FrameReader;
  private frames: Buffer[] = [];
  private gatheredBytes = 0;
  private hasMessage = false;
  /** Since when a message has begun and not ended. */
  private partialSince: number | undefined;
  /** Since when the peer has taken none of what waits for it. */
  private blockedSince: number | undefined;
  private lastUnsentBytes = 0;
  private isHeld = false;
  private isReading = false;
  private messagesOfTurn = 0;
  private isTurnEnding = false;
  private state: 'open' | 'ending' | 'closed' = 'open';
  private lingerTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: MessageStreamOptions) {
    const { stream, limits, user } = options;
    this.reader = new FrameReader({ largestBytes: limits.messageBytes });
    stream.on('data', (chunk: Buffer) => this.receive(chunk));
    stream.on('drain', () => this.drained());
    stream.on('end', () => user.finished());
    // 'close' follows.
    stream.on('error', () => undefined);
    stream.on('close', () => this.close());
    stream.resume();
    // The peer was gone before it could be served: the events above have passed.
    if (stream.destroyed) setImmediate(() => this.close());
    else if (stream.readableEnded) setImmediate(() => user.finished());
  }

  acceptMessages(largestBytes: number): void {
    this.reader.largestBytes = largestBytes;
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** When the last bytes came, in milliseconds of `performance.now`. */
  get receivedAt(): number {
    return this.lastReceivedAt;
  }

  /** Bytes that the peer has not taken. */
  get unsentBytes(): number {
    return this.gatheredBytes + this.options.stream.writableLength;
  }

  /** Reads no message until `resume`. */
  hold(): void {
    if (this.isHeld || !this.isOpen) return;
    this.isHeld = true;
    this.partialSince = undefined;
  }

  resume(): void {
    if (!this.isHeld || !this.isOpen) return;
    this.isHeld = false;
    // We did not listen; the peer was not silent.
    this.lastReceivedAt = performance.now();
    this.readMessages();
  }

  /** Sends a message at the end of this turn. False: the stream is at its end. */
  send(message: CoapMessage): boolean {
    if (!this.isOpen) return false;
    const frame = encodeMessage(message);
    this.endTurnLater();
    this.frames.push(frame);
    this.gatheredBytes += frame.length;
    return true;
  }

  /** Sends what was gathered, and closes our side. What the peer still sends is not read. */
  end(): void {
    if (!this.isOpen) return;
    this.writeGathered();
    this.state = 'ending';
    const { stream, limits } = this.options;
    stream.end();
    // Keep reading and ignore it: closing with unread bytes sends a reset, which may overtake our last message.
    stream.resume();
    this.lingerTimer = setTimeout(() => stream.destroy(), limits.lingerMs);
  }

  /** Says what the peer is too slow with. Call it several times in the shortest of the limits. */
  overdue(now: number): Overdue | undefined {
    const { limits } = this.options;
    this.noteProgress(now);
    if (!this.hasMessage && now - this.openedAt > limits.firstMessageMs) return 'first-message';
    if (this.partialSince !== undefined && now - this.partialSince > limits.frameMs) return 'frame';
    return this.blockedSince !== undefined && now - this.blockedSince > limits.drainMs ? 'not-reading' : undefined;
  }

  /** Milliseconds without a sign of life: bytes that came, or that the peer took. */
  silentMs(now: number): number {
    return this.isHeld || this.unsentBytes > 0 ? 0 : now - this.lastReceivedAt;
  }

  private noteProgress(now: number): void {
    const { writableLength } = this.options.stream;
    if (writableLength === 0) this.blockedSince = undefined;
    else if (this.blockedSince === undefined || writableLength < this.lastUnsentBytes) this.blockedSince = now;
    this.lastUnsentBytes = writableLength;
  }

  private receive(chunk: Buffer): void {
    if (!this.isOpen) return;
    this.lastReceivedAt = performance.now();
    this.reader.push(chunk);
    if (this.isHeld || this.isTurnSpent) this.options.stream.pause();
    else this.readMessages();
  }

  private get isTurnSpent(): boolean {
    return this.messagesOfTurn >= mostMessagesATurn;
  }

  private readMessages(): void {
    // A message may hold the stream, and its answer may come back here.
    if (this.isReading) return;
    this.isReading = true;
    try {
      this.readSome();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.options.user.faulty(error);
    } finally {
      this.isReading = false;
    }
  }

  private readSome(): void {
    const before = this.messagesOfTurn;
    while (this.isOpen && !this.isHeld && !this.isTurnSpent) {
      const message = this.reader.next();
      if (message === undefined) {
        this.readOn(this.messagesOfTurn > before);
        return;
      }
      if (this.messagesOfTurn === 0) this.endTurnLater();
      this.messagesOfTurn += 1;
      this.hasMessage = true;
      this.options.user.message(message);
    }
  }

  /** Everything that came is read. */
  private readOn(hasRead: boolean): void {
    const { stream } = this.options;
    // A peer that sends one message a byte at a time must not keep the connection for ever.
    if (this.reader.isBetweenFrames) this.partialSince = undefined;
    else if (hasRead || this.partialSince === undefined) this.partialSince = this.lastReceivedAt;
    if (stream.isPaused()) stream.resume();
  }

  private endTurnLater(): void {
    if (this.isTurnEnding) return;
    this.isTurnEnding = true;
    setImmediate(() => this.endTurn());
  }

  private endTurn(): void {
    const wasSpent = this.isTurnSpent;
    this.isTurnEnding = false;
    this.messagesOfTurn = 0;
    this.flush();
    if (wasSpent && this.isOpen && !this.isHeld) this.readMessages();
  }

  private flush(): void {
    if (this.isOpen && this.writeGathered()) this.options.user.writable();
  }

  /** True: the stream takes more at once. */
  private writeGathered(): boolean {
    const { frames, gatheredBytes } = this;
    const [first] = frames;
    if (first === undefined) return false;
    this.frames = [];
    this.gatheredBytes = 0;
    return this.options.stream.write(frames.length === 1 ? first : Buffer.concat(frames, gatheredBytes));
  }

  private drained(): void {
    this.blockedSince = undefined;
    if (this.isOpen) this.options.user.writable();
  }

  private close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    clearTimeout(this.lingerTimer);
    this.frames = [];
    this.gatheredBytes = 0;
    this.options.user.closed();
  }
}
