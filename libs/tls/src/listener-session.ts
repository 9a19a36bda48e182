import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { RefusalReason } from '@sallyport/protocol';
import type { Connection, Destination } from './connection.js';
import type { Evictable } from './fair-quota.js';
import type { OutdatedCredential, Peer } from './peer.js';

/** One live connection, as the operator sees it. */
export interface SessionInfo {
  /** Absent while nobody has proved who is on the other side. */
  readonly peer?: Peer;
  readonly remoteAddress: string;
  readonly since: Date;
  /** Whether it runs over TLS. */
  readonly isSecure: boolean;
}

/**
 * What a connection may do: `current` is served. `redirected` is told to connect again, since the security level has
 * changed. `draining` is served, and told to end.
 */
export type Standing = 'current' | 'redirected' | 'draining';

export interface ListenerSessionOptions {
  /** What the protocol above reads and writes: the TLS socket, or `raw` without TLS. */
  readonly socket: Socket;
  /** The TCP connection below. */
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly since: Date;
  readonly standing: Standing;
  readonly peer?: Peer;
  readonly destination: Destination;
  /** What holds its place in the connection quota. */
  readonly holder: Evictable;
  /** Whether HTTP runs on top, so that the connection may end between two requests. */
  readonly hasRequests: boolean;
  /** See `Limits.lingerMs`. */
  readonly lingerMs: number;
}

/** A live connection. It can be ended from outside: at once, after the requests in flight, or with a goodbye. */
export class ListenerSession {
  readonly socket: Socket;
  readonly remoteAddress: string;
  readonly since: Date;
  readonly isSecure: boolean;
  private readonly raw: Socket;
  private readonly lingerMs: number;
  private readonly drain = new LazyAbort();
  private readonly responses = new Set<ServerResponse>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private hasRequests: boolean;
  private currentStanding: Standing;
  private endsWhenIdle = false;
  private endsWithRequest = false;
  private refusedFor: RefusalReason | undefined;
  private gentleUntil = Number.NEGATIVE_INFINITY;
  readonly holder: Evictable;
  readonly destination: Destination;
  /** Who is on the other side; undefined while nobody has proved it. */
  peer: Peer | undefined;
  /** Who the peer will be if the admission port says yes to its token. */
  claim: Peer | undefined;
  /** See `Connection.outdated`. */
  outdated: OutdatedCredential | undefined;
  /** What the protocol above got; undefined until the session is handed over. */
  connection: Connection | undefined;
  /** True when nothing more from the peer may be served. */
  isOver: boolean;
  /** True when it was cut: even what was written already must not reach the peer. */
  isCut = false;
  /** Why it was cut, or is told to end before it is cut. */
  cutReason: RefusalReason | undefined;

  constructor({
    socket,
    raw,
    remoteAddress,
    since,
    standing,
    peer,
    destination,
    holder,
    lingerMs,
    hasRequests,
  }: ListenerSessionOptions) {
    this.socket = socket;
    this.raw = raw;
    this.remoteAddress = remoteAddress;
    this.since = since;
    this.isSecure = socket !== raw;
    this.currentStanding = standing;
    this.peer = peer;
    this.destination = destination;
    this.holder = holder;
    this.lingerMs = lingerMs;
    this.hasRequests = hasRequests;
    this.isOver = socket.destroyed;
    socket.once('close', () => {
      this.isOver = true;
      for (const timer of this.timers) clearTimeout(timer);
    });
  }

  /** False until the admission port has answered, and for a refused peer. */
  get isEstablished(): boolean {
    return this.connection !== undefined;
  }

  /** See `Connection.draining`. */
  get draining(): AbortSignal {
    return this.drain.signal;
  }

  /** See `Connection.alpn`. */
  get alpn(): string | undefined {
    return this.socket instanceof TLSSocket && this.socket.alpnProtocol !== false && this.socket.alpnProtocol !== null
      ? this.socket.alpnProtocol
      : undefined;
  }

  get standing(): Standing {
    return this.currentStanding;
  }

  /** The peer for whom revocations of this session count; also while the admission port is still being asked. */
  get subject(): Peer | undefined {
    return this.claim ?? this.peer;
  }

  get isAnswering(): boolean {
    return this.responses.size > 0;
  }

  /** Whether ending it interrupts nothing; the peer only has to connect again. */
  get isIdle(): boolean {
    return this.hasRequests && !this.isAnswering;
  }

  /** Why the peer is refused. It gets this answer and no other. */
  get refusal(): RefusalReason | undefined {
    return this.refusedFor;
  }

  /** Whether a part of a response was sent. Then nothing else may be written. */
  get hasBegunAnswer(): boolean {
    return [...this.responses].some(({ headersSent }) => headersSent);
  }

  get info(): SessionInfo {
    const { remoteAddress, since, isSecure } = this;
    return { remoteAddress, since, isSecure, ...(this.peer === undefined ? {} : { peer: this.peer }) };
  }

  /** True when a response in flight ends the connection. Requests pipelined behind it are ignored. */
  get hasLastRequest(): boolean {
    return this.endsWithRequest;
  }

  /** The peer is not admitted. It may get one answer; after `mostMs` the session is cut. */
  refuse(reason: RefusalReason, mostMs: number): void {
    this.refusedFor = reason;
    this.peer = undefined;
    this.after(mostMs, () => this.cut());
  }

  /** Notes a request in flight, until its response is over. */
  track(response: ServerResponse): void {
    this.responses.add(response);
    if (this.currentStanding !== 'current') this.closeAfter(response);
    response.on('close', () => {
      this.responses.delete(response);
      if (this.endsWhenIdle && !this.isAnswering) this.end();
    });
  }

  /**
   * Makes a response the last one: it says `Connection: close`. Nothing of it may have been sent yet.
   *
   * @see RFC 9112 §9.6: no request behind it may be processed.
   */
  closeAfter(response: ServerResponse): void {
    response.shouldKeepAlive = false;
    this.endsWithRequest = true;
  }

  /** HTTP of the listener has handed the connection over (RFC 9110 §7.8): from here on it is a stream. */
  upgrade(): void {
    this.hasRequests = false;
    // The limit of silence was for HTTP. The new protocol watches its own.
    this.socket.setTimeout(0);
  }

  /**
   * Ends the connection without breaking what is under way. A stream gets the signal `draining`. With HTTP, the newest
   * response says `Connection: close`, or the next response if that one was sent in part. An idle HTTP connection waits
   * `idleMs` for a request that may be on its way. What is left after `hardMs` is cut.
   */
  retire(standing: Standing, { idleMs, hardMs }: { readonly idleMs: number; readonly hardMs: number }): void {
    this.currentStanding = standing;
    const newest = [...this.responses].at(-1);
    if (newest?.headersSent === false) this.closeAfter(newest);
    if (this.hasRequests) this.after(idleMs, () => this.endWhenIdle());
    // No handler has this stream yet, so none can say goodbye.
    else if (!this.isEstablished) this.end();
    this.after(hardMs, () => this.cut());
    this.drain.abort();
  }

  /** Ends the connection, as soon as requests in flight are answered, but after `hardMs` at the latest. */
  finish(hardMs: number): void {
    if (this.isOver) return;
    if (this.isAnswering) this.retire('draining', { idleMs: 0, hardMs });
    else this.end(hardMs);
  }

  /** See `Connection.endGently`. */
  endGently(mostMs: number): void {
    this.gentleUntil = performance.now() + mostMs;
  }

  /** Cuts it; or has it end in its own words first, where that was asked for and takes no place from others. */
  cutFor(reason: RefusalReason): void {
    if (this.isCut) return;
    const isTold = this.cutReason !== undefined;
    this.cutReason ??= reason;
    const gentleMs = this.gentleUntil - performance.now();
    if (gentleMs <= 0 || reason === 'too-many-connections') this.cut();
    else if (!isTold) this.retire('draining', { idleMs: 0, hardMs: gentleMs });
  }

  private endWhenIdle(): void {
    this.endsWhenIdle = true;
    if (!this.isAnswering) this.end();
  }

  /**
   * Sends what is written, then closes. Reads and ignores for `lingerMs` longer, so that no reset destroys the last
   * answer.
   *
   * @param mostMs how long all of that may take; a slow peer that reads may need more than `lingerMs`
   */
  end(mostMs = this.lingerMs): void {
    this.isOver = true;
    this.after(mostMs, () => this.cut());
    this.socket.end(() => {
      if (!this.socket.destroyed) this.after(this.lingerMs, () => this.cut());
    });
  }

  /**
   * Ends the connection now, with a TCP reset: nothing that waits in a buffer reaches the peer any more. We may be
   * called from inside OpenSSL. Destroying the socket there crashes the process, so we wait for setImmediate.
   */
  cut(): void {
    this.isOver = true;
    this.isCut = true;
    setImmediate(() => {
      // libuv does not reset a connection that is shutting down, and Node would keep its file descriptor for ever.
      if (this.raw.writableEnded && !this.raw.writableFinished) this.raw.destroy();
      else this.raw.resetAndDestroy();
      this.socket.destroy();
    });
  }

  private after(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, delayMs);
    this.timers.add(timer);
  }
}

/** An abort signal that costs nothing until somebody asks for it; most connections never do. */
class LazyAbort {
  private controller: AbortController | undefined;
  private isAborted = false;

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.isAborted) this.controller.abort();
    return this.controller.signal;
  }

  abort(): void {
    this.isAborted = true;
    this.controller?.abort();
  }
}
