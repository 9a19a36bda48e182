import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AdmissionDecision, AdmissionRequest, DeviceId, Fingerprint, PeerKind } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';

/** A party that proved in this very TLS handshake that it holds the key of an admitted certificate. */
export interface Peer {
  readonly certificate: Certificate;
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
  readonly fingerprint: Fingerprint;
  /** Whether a CA of this site's own hierarchy vouches for it. */
  readonly issuedHere: boolean;
}

/**
 * Says whether a verified peer may pass. The listener asks once a connection and keeps no answer: caching, and asking
 * again after a change, are the implementer's. No answer in time, or a rejection, refuses the peer.
 */
export interface AdmissionPort {
  admit(request: AdmissionRequest): Promise<AdmissionDecision>;
}

const peerBySocket = new WeakMap<Duplex, Peer>();

/** Ties the peer to its connection, once, when it has been admitted. */
export function introduce(socket: Duplex, peer: Peer): void {
  peerBySocket.set(socket, peer);
}

/**
 * Who sent a request: decided once a connection, never from a header.
 *
 * @returns undefined on plain connections and where no client certificate was asked for or, being optional, none came.
 */
export function peerOf(request: IncomingMessage): Peer | undefined {
  return peerBySocket.get(request.socket);
}
