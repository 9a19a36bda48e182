import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ReadPause } from './read-pause.js';

/** Limits the waiting requests of each peer, over all its connections. */
export class PipelineQuota {
  private readonly most: number;
  private readonly waiting = new Map<string, number>();

  /** @param most  requests of one peer */
  constructor(most: number) {
    this.most = most;
  }

  /** False when the peer has too many. Each true needs one `release`. */
  acquire(peer: string): boolean {
    const waiting = this.waiting.get(peer) ?? 0;
    if (waiting >= this.most) return false;
    this.waiting.set(peer, waiting + 1);
    return true;
  }

  release(peer: string, count = 1): void {
    const left = (this.waiting.get(peer) ?? 0) - count;
    if (left > 0) this.waiting.set(peer, left);
    else this.waiting.delete(peer);
  }
}

/** Limits for pipelined requests (RFC 9112 §9.3.2). */
export interface RequestQueueLimits {
  /** Requests of one connection that the handler works on at the same time. */
  readonly requestsInHand: number;
  /** Requests that may wait behind them. With more, the connection is not read. */
  readonly requestsWaiting: number;
  /** Chunks of a body that are handled before other connections get their turn. */
  readonly chunksAtOnce: number;
}

export interface RequestQueueOptions {
  readonly socket: Socket;
  readonly limits: RequestQueueLimits;
  /** Shared by all connections of the listener. */
  readonly quota: PipelineQuota;
  /** Whose connection it is. */
  readonly peer: string;
  /** The peer is over its quota. The connection must end. */
  readonly onFull: () => void;
}

/** Gives a request to the handler, or answers it. False when it gets no answer. */
type Serve = () => boolean;

/**
 * The requests of one connection. The handler works on a few, the others wait. In one turn of the event loop, at most
 * those few are started. While too many wait, the connection is not read, so the client has to wait too.
 *
 * Node reads 64 KiB and parses all of it, so a few more requests than `requestsWaiting` can come before that takes
 * effect.
 */
export class RequestQueue {
  private readonly readPause: ReadPause;
  private readonly limits: RequestQueueLimits;
  private readonly options: RequestQueueOptions;
  private readonly waiting: (readonly [ServerResponse, Serve])[] = [];
  private inHand = 0;
  private isHeld = false;
  private isAdvancing = false;
  private isOver = false;
  /** The same function for all responses. Each response closes once. */
  private readonly onAnswered = () => {
    this.inHand -= 1;
    this.advanceSoon();
  };

  constructor(options: RequestQueueOptions) {
    const { socket, limits, quota, peer } = options;
    this.readPause = new ReadPause(socket);
    this.limits = limits;
    this.options = options;
    socket.once('close', () => {
      this.isOver = true;
      quota.release(peer, this.waiting.splice(0).length);
    });
  }

  /** Whether no request waits or is being answered. */
  get isEmpty(): boolean {
    return this.inHand === 0 && this.waiting.length === 0 && !this.isOver;
  }

  /** Starts the next request of the connection, at once or when the ones before it are answered. */
  take(request: IncomingMessage, response: ServerResponse, serve: Serve): void {
    if (this.isOver) return;
    this.pace(request);
    if (this.waiting.length === 0 && this.inHand < this.limits.requestsInHand) this.begin(response, serve);
    else this.wait(response, serve);
  }

  private begin(response: ServerResponse, serve: Serve): void {
    if (!serve()) return;
    this.inHand += 1;
    response.on('close', this.onAnswered);
  }

  /** In the next turn of the event loop. Otherwise, requests that are answered at once would block it. */
  private advanceSoon(): void {
    if (this.waiting.length === 0 || this.isAdvancing) return;
    this.isAdvancing = true;
    setImmediate(() => {
      this.isAdvancing = false;
      this.advance();
    });
  }

  private wait(response: ServerResponse, serve: Serve): void {
    const { quota, peer, onFull } = this.options;
    if (!quota.acquire(peer)) {
      // The parser still delivers requests it has read already. They are ignored.
      this.isOver = true;
      onFull();
      return;
    }
    this.waiting.push([response, serve]);
    if (this.waiting.length < this.limits.requestsWaiting || this.isHeld) return;
    this.isHeld = true;
    this.readPause.hold();
    this.readPause.slice();
  }

  private advance(): void {
    while (this.inHand < this.limits.requestsInHand) {
      const next = this.waiting.shift();
      if (next === undefined) break;
      this.options.quota.release(this.options.peer);
      this.begin(...next);
    }
    if (!this.isHeld || this.waiting.length > 0) return;
    this.isHeld = false;
    this.readPause.release();
  }

  /**
   * Slows down a chunked body. A chunk of one byte costs the client six bytes, and us a call through several layers.
   * Without a limit, one connection could bring a hundred thousand of them in one turn of the event loop.
   */
  private pace(request: IncomingMessage): void {
    if (request.headers['transfer-encoding'] === undefined) return;
    const push = request.push.bind(request);
    let chunks = 0;
    // Every chunk goes through `push`. A listener for `data` would start the body before the handler reads it.
    request.push = (chunk: unknown, encoding?: BufferEncoding) => {
      chunks += 1;
      if (chunks % this.limits.chunksAtOnce === 0) this.rest();
      return push(chunk, encoding);
    };
  }

  /** Stops reading until the next turn of the event loop, so that other connections come first. */
  private rest(): void {
    this.readPause.hold();
    this.readPause.slice();
    setImmediate(() => this.readPause.release());
  }
}
