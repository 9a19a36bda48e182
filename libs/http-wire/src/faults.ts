/** The peer broke the rules of the protocol, or a limit. Internal: each side says it in its own words. */
export class FramingError extends Error {
  constructor(
    readonly kind: 'malformed' | 'too-large' | 'incomplete',
    message: string,
  ) {
    super(message);
  }
}

export type RequestFaultStatus = 400 | 408 | 417 | 431 | 501 | 505;

/** A request that no handler sees. It is answered with this status, and its connection ends. */
export class RequestFault extends Error {
  /** @param message one sentence for the client */
  constructor(
    readonly status: RequestFaultStatus,
    message: string,
  ) {
    super(message);
  }
}

/**
 * - `connect-failed`: `dial` rejected; its error is the cause
 * - `connect-timeout`: `dial` took longer than `connectMs`
 * - `pool-full`: more exchanges wait than `waiting`, or more upgraded connections are open than `upgrades`
 * - `pool-timeout`: no connection was free within `waitMs`
 * - `head-timeout`: no response head within `headMs` after the request was sent
 * - `send-timeout`: the upstream took no more of the request for `idleMs`
 * - `body-timeout`: no more of the response body came for `idleMs`
 * - `connection-lost`: the connection ended before a response head came
 * - `response-incomplete`: the connection ended inside the response
 * - `response-malformed`: the response breaks RFC 9112
 * - `response-too-large`: the head of the response is larger than the limits
 * - `request-aborted`: the body of the request failed, or `abort` was called
 * - `pool-closed`: `close` was called before
 */
export type UpstreamErrorCode =
  | 'connect-failed'
  | 'connect-timeout'
  | 'pool-full'
  | 'pool-timeout'
  | 'head-timeout'
  | 'send-timeout'
  | 'body-timeout'
  | 'connection-lost'
  | 'response-incomplete'
  | 'response-malformed'
  | 'response-too-large'
  | 'request-aborted'
  | 'pool-closed';

/** Why the upstream gave no response, or no whole one. */
export class UpstreamError extends Error {
  constructor(
    readonly code: UpstreamErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** A deadline passed: for a gateway 504, where all others are 502. */
  get isTimeout(): boolean {
    return this.code.endsWith('-timeout');
  }
}
