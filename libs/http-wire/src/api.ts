import type { Duplex } from 'node:stream';
import type { Body } from './body.js';
import type { RequestFault, UpstreamError } from './faults.js';
import type { Fields } from './fields.js';

/** A request that keeps every rule of RFC 9112 §3, §5, §6: no two readers can understand it in two ways. */
export interface IncomingRequest {
  readonly method: string;
  /** Byte for byte as it came: origin form (RFC 9112 §3.2.1), printable ASCII, begins with "/". */
  readonly target: string;
  /** Minor version of HTTP/1. */
  readonly minorVersion: 0 | 1;
  readonly fields: Fields;
  /** A client that waits for "100 Continue" gets it when the body flows. */
  readonly body: Body;
  /** The protocols that the client offers to switch to, as in its Upgrade field; undefined when it asks for none. */
  readonly upgrade: string | undefined;
  /** The client has gone before it had its whole response. Called at most once; at once when it has gone already. */
  onAbandoned(callback: () => void): void;
}

export interface ResponseHead {
  /** 200 to 599 */
  readonly status: number;
  /** Default: the usual phrase of the status. */
  readonly reason?: string;
  /** Names and values by turns, without framing and hop-by-hop fields (see `endToEndFields`). */
  readonly fields: readonly string[];
  /** Content-Length where no body is sent: for HEAD and 304. Elsewhere the body says it. */
  readonly contentLength?: number | undefined;
}

/** A byte stream taken out of HTTP, with what was read of it already. */
export interface RawStream {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** The one response of a request. Call exactly one of its methods, once. */
export interface ResponseWriter {
  /** No method has been called yet. */
  readonly isPending: boolean;
  /**
   * Sends a response and its body as it flows, at the pace of the client. A body of unknown length is chunked; in
   * HTTP/1.0 the connection ends after it. When the body fails, the connection is cut.
   */
  send(head: ResponseHead, body: Body): void;
  /** Sends a whole response with its length and the Date. A text is sent as UTF-8. */
  answer(status: number, fields: readonly string[], body: string | Buffer): void;
  /** Sends 101 with these fields, and takes the connection out of HTTP. */
  switchProtocols(fields: readonly string[]): RawStream;
  /** Cuts the connection. */
  cut(): void;
}

/** What one connection may use: times in milliseconds, sizes in bytes, counts. */
export interface ServerLimits {
  readonly headBytes: number;
  readonly headFields: number;
  /** From the first byte of a request to the end of its head. */
  readonly headMs: number;
  /** Silence inside a request or a response. */
  readonly idleMs: number;
  /** Silence between requests, and before the first. */
  readonly keepAliveMs: number;
  /** How long to read and ignore a connection after its last answer. */
  readonly lingerMs: number;
  /** How much of an unread request body is read and ignored then. */
  readonly lingerBytes: number;
}

export interface ServerOptions {
  readonly limits?: Partial<ServerLimits>;
  readonly handler: (request: IncomingRequest, response: ResponseWriter) => void;
  /**
   * A client that ends its side before its response has begun has gone, as most that do so have: closing a socket looks
   * the same. Otherwise the response is waited for (RFC 9112 §9.6).
   */
  readonly endsWithClient?: boolean;
  /** A faulty request was answered; default answer: its sentence as plain text. */
  readonly onFault?: (fault: RequestFault, response: ResponseWriter) => void;
}

/** One connection that is served. */
export interface ServerConnection {
  /** Ends the connection after the requests in hand; at once when it is idle. */
  finish(): void;
}

/** A request to the upstream. */
export interface OutgoingRequest {
  readonly method: string;
  readonly target: string;
  /** Names and values by turns, with Host, without framing and hop-by-hop fields (see `endToEndFields`). */
  readonly fields: readonly string[];
  readonly body: Body;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: Fields;
  /** As the upstream declared it, also where no body follows (HEAD, 304). */
  readonly contentLength: number | undefined;
  /** Let it flow or cancel it, or its connection stays taken until `idleMs`. */
  readonly body: Body;
  /** Only after `upgrade`, and only with status 101. */
  readonly tunnel: RawStream | undefined;
}

export interface Exchange {
  /** The final response: 1xx are left out. @throws UpstreamError */
  readonly response: Promise<UpstreamResponse>;
  /**
   * The same without a promise, for where each microsecond counts. Calls one of both, once; at once when it is known.
   * Use this or `response`, once.
   */
  settle(onResponse: (response: UpstreamResponse) => void, onFailure: (error: UpstreamError) => void): void;
  /** Nobody wants the response any more: its connection is cut, unless it has been given back already. */
  abort(): void;
}

/** What a pool may use: times in milliseconds, sizes in bytes, counts. */
export interface UpstreamLimits {
  readonly connections: number;
  /** Upgraded connections; they do not count as `connections`. */
  readonly upgrades: number;
  /** Exchanges that wait for a connection. */
  readonly waiting: number;
  readonly waitMs: number;
  readonly connectMs: number;
  /** From the end of the request to the end of the response head. */
  readonly headMs: number;
  /** Silence inside a request or a response. */
  readonly idleMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  readonly headBytes: number;
  readonly headFields: number;
}

/** What a pool does at the moment. */
export interface UpstreamFigures {
  /** Connections of exchanges, without upgraded ones. */
  readonly open: number;
  readonly idle: number;
  readonly dialling: number;
  readonly waiting: number;
  readonly upgraded: number;
}

export interface UpstreamPoolOptions {
  /** Opens a connection to the one origin of this pool, ready for HTTP/1.1. The signal aborts when nobody waits for it any more. */
  readonly dial: (signal: AbortSignal) => Promise<Duplex>;
  readonly limits?: Partial<UpstreamLimits>;
}
