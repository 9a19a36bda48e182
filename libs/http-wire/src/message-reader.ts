import type { Duplex } from 'node:stream';
import { BodyReader } from './body-reader.js';
import { FramingError, RequestFault } from './faults.js';
import type { Framing } from './framing.js';
import { HeadAssembly, type WholeHead } from './head-assembly.js';
import { type BodySource, IncomingBody } from './incoming-body.js';

/** What one side of HTTP does with the messages of the other. */
export interface MessageEvents {
  /** The first byte of a head has come, and not the whole head. */
  headBegins(): void;
  /** @returns where the body ends; undefined when this head is followed by another head */
  takeHead(head: WholeHead): Framing | undefined;
  takeBody(body: IncomingBody): void;
  /** Somebody takes the body from now on. */
  bodyWanted(): void;
  /** Pieces of the body have come. */
  bodyMoves(): void;
  bodyEnds(): void;
  /** Bytes came while no message is expected. They are kept, and no more are read. */
  earlyBytes(): void;
  /** The bytes break the protocol, or a handler of a head refuses it. Nothing more is read. */
  fault(error: FramingError | RequestFault): void;
  /** The peer has ended its side, between two messages or inside one that was told so. */
  ends(): void;
}

type Phase = 'resting' | 'head' | 'body' | 'stopped';

/**
 * Cuts what comes on a connection into messages, one at a time: `expect` asks for the next. Reads no more than what
 * somebody takes, so what it holds is one piece as the socket gave it, or one head.
 */
export class MessageReader implements BodySource {
  private phase: Phase = 'resting';
  private readonly heads: HeadAssembly;
  private bodyReader: BodyReader | undefined;
  private body: IncomingBody | undefined;
  private held: Buffer | undefined;
  private isReading = false;
  private isPaused = false;
  private hasEnded = false;
  private readonly onData = (chunk: Buffer): void => this.receive(chunk);
  private readonly onEnd = (): void => this.takeEnd();
  private readonly pushPiece = (piece: Buffer): void => this.body?.write(piece);

  constructor(
    private readonly socket: Duplex,
    private readonly events: MessageEvents,
    headBytes: number,
  ) {
    this.heads = new HeadAssembly(headBytes);
    socket.on('data', this.onData);
    socket.on('end', this.onEnd);
  }

  /** Nothing has been read of the next message. */
  get isBetweenMessages(): boolean {
    return !this.heads.hasBegun && this.held === undefined && this.phase !== 'body';
  }

  /** Bytes of the body that have not come; 0 without a body. */
  get missingBytes(): number {
    return this.phase === 'body' ? (this.bodyReader?.missingBytes ?? 0) : 0;
  }

  get hasPeerEnded(): boolean {
    return this.hasEnded;
  }

  /** Takes in the next message. */
  expect(): void {
    if (this.phase !== 'resting') return;
    this.phase = 'head';
    this.proceed();
  }

  /** Reads nothing any more, and fails a body that has not ended. */
  stop(error: Error): void {
    this.phase = 'stopped';
    this.held = undefined;
    this.heads.forget();
    this.body?.fail(error);
  }

  /** Gives the connection away. @returns what was read and belongs to no message */
  release(): Buffer {
    const held = this.held ?? Buffer.alloc(0);
    this.held = undefined;
    this.phase = 'stopped';
    this.socket.pause();
    this.socket.off('data', this.onData);
    this.socket.off('end', this.onEnd);
    return held;
  }

  readOn(body: IncomingBody): void {
    if (body !== this.body || this.phase !== 'body') return;
    this.events.bodyWanted();
    this.proceed();
  }

  discard(body: IncomingBody): void {
    if (body === this.body) this.proceed();
  }

  private proceed(): void {
    if (this.phase === 'stopped') return;
    if (this.isPaused) {
      this.isPaused = false;
      this.socket.resume();
    }
    this.advance();
  }

  private receive(chunk: Buffer): void {
    if (this.phase === 'stopped') return;
    this.held = this.held === undefined ? chunk : Buffer.concat([this.held, chunk]);
    this.advance();
  }

  private advance(): void {
    if (this.isReading) return;
    this.isReading = true;
    try {
      while (this.held !== undefined && this.step(this.held));
      this.body?.flushNew();
      if (this.hasEnded && this.held === undefined) this.end();
    } catch (error) {
      if (error instanceof FramingError || error instanceof RequestFault) this.fail(error);
      else throw error;
    } finally {
      this.isReading = false;
    }
  }

  /** @returns whether to go on */
  private step(held: Buffer): boolean {
    switch (this.phase) {
      case 'head':
        return this.readHead(held);
      case 'body':
        return this.readBody(held);
      case 'resting':
        this.pause();
        this.events.earlyBytes();
        return false;
      case 'stopped':
        return false;
      default:
        return this.phase satisfies never;
    }
  }

  private readHead(held: Buffer): boolean {
    this.held = undefined;
    const head = this.heads.take(held);
    if (head === undefined) {
      this.events.headBegins();
      return false;
    }
    const framing = this.events.takeHead(head);
    this.held = restOf(head.bytes, head.end);
    if (framing !== undefined) this.beginBody(framing);
    return true;
  }

  private beginBody(framing: Framing): void {
    const body = new IncomingBody(typeof framing === 'number' ? framing : undefined, this);
    if (framing === 0) {
      this.phase = 'resting';
      body.complete();
      this.events.takeBody(body);
      this.events.bodyEnds();
      return;
    }
    this.phase = 'body';
    this.body = body;
    this.bodyReader = new BodyReader(framing);
    this.events.takeBody(body);
  }

  private readBody(held: Buffer): boolean {
    const { body, bodyReader } = this;
    if (body === undefined || bodyReader === undefined) return false;
    if (!body.takesPieces) {
      // With the rest in hand, nothing more comes that would have to wait.
      if (bodyReader.missingBytes > held.length) this.pause();
      return false;
    }
    this.held = restOf(held, bodyReader.read(held, 0, this.pushPiece));
    if (bodyReader.isDone) {
      this.finishBody(body);
      return true;
    }
    body.flush();
    this.events.bodyMoves();
    if (!body.takesPieces) this.pause();
    return true;
  }

  private finishBody(body: IncomingBody): void {
    this.phase = 'resting';
    // A connection at rest does not hold on to its last message.
    this.body = undefined;
    this.bodyReader = undefined;
    body.complete();
    this.events.bodyEnds();
  }

  private takeEnd(): void {
    this.hasEnded = true;
    this.advance();
  }

  private end(): void {
    if (this.phase === 'stopped') return;
    const { body, bodyReader } = this;
    if (this.phase === 'body' && body !== undefined && bodyReader !== undefined) {
      bodyReader.end();
      this.finishBody(body);
    }
    if (this.heads.hasBegun) throw new FramingError('incomplete', 'the connection ended inside the head');
    this.events.ends();
  }

  /** Refuses what comes on this connection, for a reason that the bytes or their delay gave. */
  fail(error: FramingError | RequestFault): void {
    this.phase = 'stopped';
    this.held = undefined;
    this.events.fault(error);
    this.body?.fail(error);
  }

  private pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.socket.pause();
  }
}

function restOf(bytes: Buffer, from: number): Buffer | undefined {
  if (from === bytes.length) return undefined;
  return from === 0 ? bytes : bytes.subarray(from);
}
