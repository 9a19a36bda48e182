import type { RequestQueueLimits } from './request-queue.js';

/** What one listener may spend: times in milliseconds, sizes in bytes, counts. */
export interface Limits extends RequestQueueLimits {
  /** Requests of one peer that wait, on all its connections; one that brings more loses the connection. */
  readonly requestsWaitingOfPeer: number;
  /** From the first packet to a finished TLS handshake; also how long a silent connection may say nothing. */
  readonly handshakeMs: number;
  /** How long the admission port may think; after that the peer is refused. */
  readonly admissionMs: number;
  /** Connections that say nothing yet or make their handshake; half of them at most from one network. */
  readonly concurrentHandshakes: number;
  readonly connections: number;
  /** Without a proven identity, from an IPv4 address or an IPv6 network. Generous: a site may share one. */
  readonly connectionsPerAddress: number;
  /** Of one admitted device, service or administrator. */
  readonly connectionsPerIdentity: number;
  /** How long an idle connection keeps its place against a newer one of the same owner. */
  readonly idleKeptMs: number;
  /** Connections without a place that are closed only after `closeDelayMs`; further ones at once. */
  readonly delayedCloses: number;
  readonly closeDelayMs: number;
  /** What a client may send before its handshake is over, while its network has not proved itself. */
  readonly handshakeBytes: number;
  /** The same while failed handshakes of strangers have cost more than their share. */
  readonly handshakeBytesInNeed: number;
  /** Certificates a client may send, the leaf included. */
  readonly chainCertificates: number;
  readonly headerBytes: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** How often that deadline is looked at; Node's own default would let a slow client stay 30 s longer. */
  readonly headersCheckMs: number;
  /** Silence inside a request after which the connection ends; a slow but steady transfer may take hours. */
  readonly idleMs: number;
  /** Silence between two requests. Longer than the report interval of usual devices. */
  readonly keepAliveMs: number;
  /** How long a connection is read and ignored after its last answer, so that the answer is not lost to a reset. */
  readonly lingerMs: number;
  /** How long an idle connection of a former security level waits for its next request, which is then redirected. */
  readonly retireIdleMs: number;
  /** How long a request in flight may take when its connection has to end. */
  readonly drainMs: number;
  /** After a switch to plain HTTP: how long new TLS connections are still served with the former certificate. */
  readonly formerTlsMs: number;
}

export const defaultLimits: Limits = {
  handshakeMs: 10_000,
  admissionMs: 3_000,
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
  headersCheckMs: 1_000,
  idleMs: 120_000,
  keepAliveMs: 75_000,
  lingerMs: 1_000,
  retireIdleMs: 2_000,
  drainMs: 30_000,
  formerTlsMs: 10_000,
};
