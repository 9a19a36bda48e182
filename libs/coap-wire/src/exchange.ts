import type { Method, ResponseCode } from './codes.js';

/** A request whose critical options are all known and well formed, with its whole body. */
export interface CoapRequest {
  readonly method: Method;
  /** Uri-Path, one element a segment, UTF-8; never empty, `.`, `..` or with `/`. `[]` is the root. */
  readonly path: readonly string[];
  /** Uri-Query, one element an option. */
  readonly query: readonly string[];
  readonly contentFormat?: number;
  readonly accept?: number;
  /** RFC 7641: 0 registers, 1 deregisters. */
  readonly observe?: number;
  readonly etags?: readonly Buffer[];
  readonly payload: Buffer;
  /** Names the exchange, and a relation of observation. */
  readonly token: Buffer;
}

/** An answer to a request, or one notification. The endpoint adds token and block options. */
export interface CoapResponse {
  readonly code: ResponseCode;
  readonly contentFormat?: number;
  readonly observe?: number;
  readonly etag?: Buffer;
  /** Seconds (RFC 7252 §5.10.5). */
  readonly maxAge?: number;
  readonly locationPath?: readonly string[];
  readonly payload?: Buffer;
  /** The connection ends as soon as this answer is delivered. */
  readonly isLast?: boolean;
}

/** A request of ours to the peer. */
export interface OutgoingRequest {
  readonly method: Method;
  readonly path: readonly string[];
  readonly query?: readonly string[];
  readonly contentFormat?: number;
  readonly accept?: number;
  readonly etags?: readonly Buffer[];
  readonly payload?: Buffer;
}

/** A fault with the answer that the peer gets: code, and what is wrong in words (diagnostic payload, RFC 7252 §5.5.2). */
export class CoapError extends Error {
  constructor(
    readonly code: ResponseCode,
    readonly diagnostic: string,
    options?: ErrorOptions,
  ) {
    super(diagnostic, options);
  }
}

export interface RequestOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** What follows an observation of the peer's resource (RFC 7641). */
export interface Observation {
  /** The first answer. Without `observe` in it the peer does not notify, and the observation is over. */
  readonly first: CoapResponse;
  /** Tells the peer to stop. Notifications that are on their way are ignored. Never rejects. */
  cancel(): Promise<void>;
}

/** Why a connection ended. */
export type EndReason =
  | 'peer-closed'
  | 'closed-here'
  | 'protocol-error'
  | 'silent'
  | 'too-slow'
  | 'aborted-by-peer'
  | 'released-by-peer';

/**
 * One end of a connection of CoAP over TCP or TLS (RFC 8323). Both ends send requests. `CoapEndpoint` is made over a byte
 * stream: on the accepted connection of a listener, or in a test on that of a client.
 */
export interface Endpoint {
  /** Resolves when the connection is gone. Never rejects. */
  readonly ended: Promise<EndReason>;
  /**
   * Sends a request and resolves with its whole answer, put together from its blocks.
   *
   * @throws CoapError `5.03`: the connection ended first; `5.04`: no answer in time; `4.13`, `5.02`: the answer is too
   *   large, or breaks the protocol
   */
  request(request: OutgoingRequest, options: RequestOptions): Promise<CoapResponse>;
  /**
   * As `request`, and the listener gets each later notification, whole and in the order of the connection: numbers say
   * nothing here (RFC 8323 §7.1). One that comes in blocks is left out when a newer one comes before its last block.
   *
   * A notification with an error code, or without `observe`, is the last. `5.02` and `5.04` may also be from here: the
   * peer's notification could not be read, and the observation was given up.
   */
  observe(
    request: OutgoingRequest,
    options: RequestOptions & { readonly onNotification: (notification: CoapResponse) => void },
  ): Promise<Observation>;
  /** Sends a notification to a peer that observes us with this token. False: the connection is gone. */
  notify(token: Buffer, response: CoapResponse): boolean;
  /** Finishes what is being answered, tells the peer (Release, RFC 8323 §5.5), and ends. */
  release(): Promise<void>;
  /** Ends at once, with an Abort (RFC 8323 §5.6) if it can still be written. */
  abort(diagnostic: string): void;
}

/** A request that is refused before its handler sees it: it cannot be read, or its blocks make no body. */
export interface RefusedRequest {
  /** As far as it can be read. */
  readonly path: readonly string[];
  readonly code: ResponseCode;
  readonly diagnostic: string;
}

/** Serves the requests of the peer. A thrown `CoapError` is answered; anything else is 5.00, and reported. */
export type RequestHandler = (request: CoapRequest, signal: AbortSignal) => Promise<CoapResponse> | CoapResponse;
