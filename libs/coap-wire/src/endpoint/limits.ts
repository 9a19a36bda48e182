/** What one connection may cost, and how long its peer may take. */
export interface EndpointLimits {
  /** Bytes of one message with its header. The peer is told (Max-Message-Size). */
  readonly messageBytes: number;
  /** Bytes of one body put together from blocks. */
  readonly bodyBytes: number;
  /** Requests of the peer that are answered at once. The endpoint reads no more until one is answered. */
  readonly requestsAtOnce: number;
  /** Bytes of these requests, as `requestsAtOnce` counts them. One request may be larger. */
  readonly requestBytes: number;
  /** Requests of ours that wait for their answer at once. The others wait for a place. */
  readonly ownRequestsAtOnce: number;
  /** Requests of ours that wait for an answer or a place. More are refused. */
  readonly ownRequestsWaiting: number;
  /** Bytes that the peer has not taken yet. From a quarter of it no request of the peer is read; above it the connection ends. */
  readonly unsentBytes: number;
  /** How long a body waits for its next block, in milliseconds; at most twice as long. */
  readonly blockMs: number;
  /** From the start to the first message of the peer, in milliseconds. */
  readonly firstMessageMs: number;
  /** From the first byte of a message to its last, in milliseconds. */
  readonly frameMs: number;
  /** Silence of the peer until it is asked for a sign of life (Ping), in milliseconds. */
  readonly silenceMs: number;
  /** From the Ping to any byte of the peer, in milliseconds. */
  readonly pongMs: number;
  /** How long the peer may take none of the bytes that wait for it, in milliseconds. */
  readonly drainMs: number;
  /** How long running exchanges may take after a Release, in milliseconds. */
  readonly releaseMs: number;
  /** How long the peer may take to close its side after our last message, in milliseconds. */
  readonly lingerMs: number;
}

/** Limits for a device on a slow network. */
export const defaultEndpointLimits: EndpointLimits = {
  messageBytes: 262_144,
  bodyBytes: 262_144,
  requestsAtOnce: 16,
  requestBytes: 262_144,
  ownRequestsAtOnce: 1,
  ownRequestsWaiting: 1_000,
  unsentBytes: 1_048_576,
  blockMs: 20_000,
  firstMessageMs: 10_000,
  frameMs: 30_000,
  silenceMs: 20_000,
  pongMs: 10_000,
  drainMs: 20_000,
  releaseMs: 5_000,
  lingerMs: 1_000,
};

/** The default limits, but for those that are given. With larger messages, what is measured in messages grows too. */
export function endpointLimits(given: Partial<EndpointLimits> = {}): EndpointLimits {
  const { messageBytes, unsentBytes } = { ...defaultEndpointLimits, ...given };
  const { bodyBytes, requestBytes } = defaultEndpointLimits;
  return {
    ...defaultEndpointLimits,
    bodyBytes: Math.max(bodyBytes, messageBytes),
    requestBytes: Math.max(requestBytes, messageBytes),
    unsentBytes: Math.max(unsentBytes, 4 * messageBytes),
    ...given,
  };
}
