import type { AdmissionDecision, AdmissionRequest, DeviceId, PeerKind } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import type { IssuerPath } from './trust-store.js';

/** A certificate whose key the peer proved to hold in this very TLS handshake. */
export interface CertificateCredential {
  readonly kind: 'certificate';
  readonly certificate: Certificate;
  /** The CAs that vouch for it. */
  readonly path: IssuerPath;
  /** Whether a CA of this site's own hierarchy vouches for it. */
  readonly issuedHere: boolean;
}

/**
 * A certificate of this site that has ended, or is not valid yet, whose key the client proved to hold. It admits to
 * nothing: the client is anonymous. Who issues certificates may renew it.
 */
export interface OutdatedCredential {
  readonly certificate: Certificate;
  readonly deviceId: DeviceId;
}

/** A token that the service verified after the connection was made. */
export interface TokenCredential {
  readonly kind: 'token';
  /** Who issued it, such as its claim `iss`; 1 to 256 characters. */
  readonly issuer: string;
  /** The connection is cut at this time, unless the peer brings a new token before. */
  readonly expiresAt: Date;
}

/** A party that was admitted, and what it proved. */
export interface Peer {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
  readonly credential: CertificateCredential | TokenCredential;
}

/** Who the peer of an anonymous connection claims to be, by a token that its service has verified. */
export interface TokenClaim extends Omit<TokenCredential, 'kind'> {
  readonly deviceId: DeviceId;
}

/**
 * Says whether a verified peer may pass. The listener asks once a connection and keeps no answer: caching, and asking
 * again after a change, are the implementer's. No answer in time, or a rejection, refuses the peer.
 */
export interface AdmissionPort {
  admit(request: AdmissionRequest): Promise<AdmissionDecision>;
}

/** The certificate of a peer, where it proved one. */
export function certificateOf(peer: Peer | undefined): Certificate | undefined {
  return peer?.credential.kind === 'certificate' ? peer.credential.certificate : undefined;
}
