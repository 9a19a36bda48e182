import type { RequestQueueLimits } from './request-queue.js';

/** What one listener may use: times in milliseconds, sizes in bytes, counts. */
export interface Limits extends RequestQueueLimits {
  /** Requests of one peer that wait, over all its connections. With one more, the connection that brought it is cut. */
  readonly requestsWaitingOfPeer: number;
  /** From the first packet to the end of the TLS handshake. A connection that sends nothing has as long. */
  readonly handshakeMs: number;
  /** How long to wait for the admission port. Without an answer the peer is refused. */
  readonly admissionMs: number;
  /** The same at a connector, where the registry may have to ask a hook of the operator first. */
  readonly contactMs: number;
  /** Connections that are silent so far or in their handshake. One network may have half of them. */
  readonly concurrentHandshakes: number;
  readonly connections: number;
  /** Unidentified connections from one IPv4 address or one IPv6 network. Large, since a whole site may share one. */
  readonly connectionsPerAddress: number;
  /** Connections of one admitted device, service or administrator. */
  readonly connectionsPerIdentity: number;
  /** How long an idle connection is safe from a newer one of the same owner, when the owner has too many. */
  readonly idleKeptMs: number;
  /** Connections without a place that are closed only after `closeDelayMs`. Further ones are closed at once. */
  readonly delayedCloses: number;
  readonly closeDelayMs: number;
  /** What a client of an unknown network may send before its handshake is over. */
  readonly handshakeBytes: number;
  /** The same while failed handshakes of unknown networks have cost more than their share. */
  readonly handshakeBytesInNeed: number;
  /** Certificates a client may send, the leaf included. */
  readonly chainCertificates: number;
  readonly headerBytes: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to the end of its body; 0: no limit. Longer than `headersMs`. */
  readonly requestMs: number;
  /** How often that deadline is checked. With Node's default a slow client could stay 30 s longer. */
  readonly headersCheckMs: number;
  /** Silence inside a request after which the connection ends. A slow transfer may take hours, as long as it moves. */
  readonly idleMs: number;
  /** Silence between two requests. Longer than the usual report interval of devices. */
  readonly keepAliveMs: number;
  /** How long to read and ignore a connection after its last answer. Closing at once could destroy the answer. */
  readonly lingerMs: number;
  /** After a change of level: how long an idle connection waits for a next request, which is then redirected. */
  readonly retireIdleMs: number;
  /** How long requests in flight and streams may take when their connection has to end. Then it is cut. */
  readonly drainMs: number;
  /** After a switch to plain HTTP: how long new TLS connections still get the former certificate. */
  readonly formerTlsMs: number;
}

export const defaultLimits: Limits = {
  handshakeMs: 10_000,
  admissionMs: 3_000,
  contactMs: 8_000,
  concurrentHandshakes: 512,
  connections: 10_000,
  connectionsPerAddress: 2_000,
  connectionsPerIdentity: 250,
  idleKeptMs: 2_000,
  delayedCloses: 512,
  closeDelayMs: 1_000,
  handshakeBytes: 16_384,
  handshakeBytesInNeed: 8_192,
  chainCertificates: 10,
  requestsInHand: 8,
  requestsWaiting: 32,
  requestsWaitingOfPeer: 4_096,
  chunksAtOnce: 256,
  headerBytes: 16_384,
  headersMs: 15_000,
  requestMs: 0,
  headersCheckMs: 1_000,
  idleMs: 120_000,
  keepAliveMs: 75_000,
  lingerMs: 1_000,
  retireIdleMs: 2_000,
  drainMs: 30_000,
  formerTlsMs: 10_000,
};
