import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ReadPause } from './read-pause.js';

/** Requests that wait for their turn, counted by peer: it may pipeline on many connections at the same time. */
export class PipelineQuota {
  readonly #most: number;
  readonly #waiting = new Map<string, number>();

  /** @param most  requests of one peer */
  constructor(most: number) {
    this.#most = most;
  }

  /** False when the peer has too many here. Each true needs one `release`. */
  acquire(peer: string): boolean {
    const waiting = this.#waiting.get(peer) ?? 0;
    if (waiting >= this.#most) return false;
    this.#waiting.set(peer, waiting + 1);
    return true;
  }

  release(peer: string, count = 1): void {
    const left = (this.#waiting.get(peer) ?? 0) - count;
    if (left > 0) this.#waiting.set(peer, left);
    else this.#waiting.delete(peer);
  }
}

/** How much of what a client pipelines is worked on, and how much is kept (RFC 9112 §9.3.2). */
export interface RequestQueueLimits {
  /** Requests the handler has at the same time. */
  readonly requestsInHand: number;
  /** Requests that wait behind them; with more, nothing is read from the connection. */
  readonly requestsWaiting: number;
  /** Chunks of a body after which the other connections have their turn. */
  readonly chunksAtOnce: number;
}

export interface RequestQueueOptions {
  readonly socket: Socket;
  readonly limits: RequestQueueLimits;
  /** Where the requests of all connections of a peer wait. */
  readonly quota: PipelineQuota;
  /** Whose connection it is. */
  readonly peer: string;
  /** The peer is over its quota: the connection is to end. */
  readonly onFull: () => void;
}

/** Hands a request on, or answers it; false when nobody will answer it any more. */
type Serve = () => boolean;

/**
 * The requests of one connection. A few are in hand, the others wait their turn, and one connection gets no more than
 * those few in a turn of the event loop. While too many wait the connection is not read: the client has to wait too.
 *
 * Node parses all of a piece it has read (64 KiB), so somewhat more than `requestsWaiting` can come before that helps.
 */
export class RequestQueue {
  readonly #readPause: ReadPause;
  readonly #limits: RequestQueueLimits;
  readonly #options: RequestQueueOptions;
  readonly #waiting: (readonly [ServerResponse, Serve])[] = [];
  #inHand = 0;
  #isHeld = false;
  #isAdvancing = false;
  #isOver = false;
  /** One for all responses; each is over once. */
  readonly #onAnswered = () => {
    this.#inHand -= 1;
    this.#advanceSoon();
  };

  constructor(options: RequestQueueOptions) {
    const { socket, limits, quota, peer } = options;
    this.#readPause = new ReadPause(socket);
    this.#limits = limits;
    this.#options = options;
    socket.once('close', () => {
      this.#isOver = true;
      quota.release(peer, this.#waiting.splice(0).length);
    });
  }

  /** Whether no request waits, is answered, or is about to end the connection. */
  get isEmpty(): boolean {
    return this.#inHand === 0 && this.#waiting.length === 0 && !this.#isOver;
  }

  /** Takes the next request of the connection: at once, or when its turn has come. */
  take(request: IncomingMessage, response: ServerResponse, serve: Serve): void {
    if (this.#isOver) return;
    this.#pace(request);
    if (this.#waiting.length === 0 && this.#inHand < this.#limits.requestsInHand) this.#begin(response, serve);
    else this.#wait(response, serve);
  }

  #begin(response: ServerResponse, serve: Serve): void {
    if (!serve()) return;
    this.#inHand += 1;
    response.on('close', this.#onAnswered);
  }

  /** In another turn: answers that need no waiting would follow each other without end. */
  #advanceSoon(): void {
    if (this.#waiting.length === 0 || this.#isAdvancing) return;
    this.#isAdvancing = true;
    setImmediate(() => {
      this.#isAdvancing = false;
      this.#advance();
    });
  }

  #wait(response: ServerResponse, serve: Serve): void {
    const { quota, peer, onFull } = this.#options;
    if (!quota.acquire(peer)) {
      // The rest of what was read with it still comes here, and is not for anybody.
      this.#isOver = true;
      onFull();
      return;
    }
    this.#waiting.push([response, serve]);
    if (this.#waiting.length < this.#limits.requestsWaiting || this.#isHeld) return;
    this.#isHeld = true;
    this.#readPause.hold();
    this.#readPause.slice();
  }

  #advance(): void {
    while (this.#inHand < this.#limits.requestsInHand) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#options.quota.release(this.#options.peer);
      this.#begin(...next);
    }
    if (!this.#isHeld || this.#waiting.length > 0) return;
    this.#isHeld = false;
    this.#readPause.release();
  }

  /**
   * Lets a chunked body come at a pace: a chunk of one byte costs its sender six bytes and us a call through several
   * layers, and a connection may bring a hundred thousand of them in one turn of the event loop.
   */
  #pace(request: IncomingMessage): void {
    if (request.headers['transfer-encoding'] === undefined) return;
    const push = request.push.bind(request);
    let chunks = 0;
    // Here every chunk passes. A listener for `data` would let the body flow before anybody wants it.
    request.push = (chunk: unknown, encoding?: BufferEncoding) => {
      chunks += 1;
      if (chunks % this.#limits.chunksAtOnce === 0) this.#rest();
      return push(chunk, encoding);
    };
  }

  /** Until the next turn of the event loop, in which the others come first. */
  #rest(): void {
    this.#readPause.hold();
    this.#readPause.slice();
    setImmediate(() => this.#readPause.release());
  }
}
