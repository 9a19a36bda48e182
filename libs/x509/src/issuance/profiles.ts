import type { PeerKind } from '@sallyport/protocol';
import type { KeyUsage, Purpose } from '../extension-writers.js';
import { oids } from '../oids.js';

/** Kinds of keys that a profile can accept. */
export type AcceptedKey = 'P-256' | 'P-384' | 'Ed25519' | 'RSA';

/** The form of one kind of certificate. It contains all decisions of the issuer. Nothing comes from a CSR. */
export interface CertificateProfile {
  readonly name: string;
  /** The kind of holder; `ca` for certificates that issue others. */
  readonly kind: PeerKind | 'ca';
  readonly validitySeconds: number;
  /** How far `notBefore` is in the past, for peers whose clock is behind. */
  readonly backdateSeconds: number;
  readonly keys: readonly AcceptedKey[];
  readonly keyUsages: readonly KeyUsage[];
  /** An empty list means every purpose. */
  readonly extendedKeyUsages: readonly Purpose[];
  /** Number of CAs that may follow below this one; absent: any number. Only for `ca`. */
  readonly pathLength?: number;
  readonly names: NameRules;
  /**
   * A leaf with this lifetime or less has `noRevAvail` (RFC 9608) instead of a CRL distribution point; 0: never.
   */
  readonly noRevocationUpToSeconds: number;
  /** If the issuer ends first, this part of the lifetime must remain, 0 to 1. Otherwise nothing is signed. */
  readonly minimumLifeShare: number;
}

/** Alternative names that a leaf may have, in addition to its identity URI, which every leaf has. */
export interface NameRules {
  /** DNS names and addresses: none; only the device id, if it is a host name; or all that the site permits. */
  readonly hosts: 'none' | 'own-name' | 'any';
  readonly requiresHost: boolean;
  readonly permitsWildcard: boolean;
}

const day = 24 * 60 * 60;
const year = 365 * day;

const leaf = {
  backdateSeconds: 300,
  keys: ['P-256', 'P-384', 'Ed25519', 'RSA'],
  // RFC 8813 §3, RFC 8410 §5: EC and Ed25519 keys only sign. For TLS 1.3 and ECDHE suites, RSA keys need no more
  // either.
  keyUsages: ['digitalSignature'],
  names: { hosts: 'none', requiresHost: false, permitsWildcard: false },
  noRevocationUpToSeconds: 7 * day,
  minimumLifeShare: 0.5,
} as const satisfies Partial<CertificateProfile>;

const authority = {
  kind: 'ca',
  // A clock that was ahead when a CA was made must not make the whole site invalid when it is set right.
  backdateSeconds: day,
  keys: ['P-256', 'P-384', 'Ed25519', 'RSA'],
  keyUsages: ['keyCertSign', 'cRLSign'],
  names: { hosts: 'none', requiresHost: false, permitsWildcard: false },
  noRevocationUpToSeconds: 0,
  minimumLifeShare: 0,
} as const satisfies Partial<CertificateProfile>;

/** OCF Security §9.4.2.2. Devices of OCF are TLS servers too: for the other devices of their owner. */
const ocf = {
  keys: ['P-256', 'P-384'],
  keyUsages: ['digitalSignature', 'keyAgreement'],
  extendedKeyUsages: ['clientAuth', 'serverAuth', oids.ocfIdentity],
} as const satisfies Partial<CertificateProfile>;

/**
 * The profiles of this system. To change the lifetime of a leaf, use `{ ...certificateProfiles.device, validitySeconds
 * }`.
 */
export const certificateProfiles = {
  /** A gateway or child device: a TLS client. */
  device: {
    ...leaf,
    name: 'device',
    kind: 'device',
    validitySeconds: 90 * day,
    extendedKeyUsages: ['clientAuth'],
    names: { hosts: 'own-name', requiresHost: false, permitsWildcard: false },
  },
  /** An OCF device, whose name is `uuid:<uuid>`. */
  ocfDevice: { ...leaf, ...ocf, name: 'OCF device', kind: 'device', validitySeconds: 90 * day },
  /** A process of this system: a TLS server and client. */
  service: {
    ...leaf,
    name: 'service',
    kind: 'service',
    validitySeconds: 30 * day,
    extendedKeyUsages: ['serverAuth', 'clientAuth'],
    names: { hosts: 'any', requiresHost: false, permitsWildcard: false },
  },
  /** A person or tool that administers the site: a TLS client. */
  admin: { ...leaf, name: 'admin', kind: 'admin', validitySeconds: 30 * day, extendedKeyUsages: ['clientAuth'] },
  /** A TLS server that is never a client. */
  server: {
    ...leaf,
    name: 'server',
    kind: 'service',
    validitySeconds: 30 * day,
    extendedKeyUsages: ['serverAuth'],
    names: { hosts: 'any', requiresHost: true, permitsWildcard: true },
  },
  /** The CoAP gateway, as OCF devices want their cloud to be. */
  ocfHub: {
    ...leaf,
    ...ocf,
    name: 'OCF hub',
    kind: 'service',
    validitySeconds: 30 * day,
    names: { hosts: 'any', requiresHost: true, permitsWildcard: true },
  },
  root: { ...authority, name: 'root', validitySeconds: 20 * year, extendedKeyUsages: [] },
  issuing: {
    ...authority,
    name: 'issuing',
    validitySeconds: 5 * year,
    // Limits every leaf below to TLS, also if its own extension allows more.
    extendedKeyUsages: ['serverAuth', 'clientAuth'],
    pathLength: 0,
  },
} as const satisfies Record<string, CertificateProfile>;

/** Validity of a certificate issued now, to the second. It is backdated, and its end follows the profile. */
export function validityOf(
  profile: Pick<CertificateProfile, 'validitySeconds' | 'backdateSeconds'>,
  now: Date,
): { readonly notBefore: Date; readonly notAfter: Date } {
  const second = Math.floor(now.getTime() / 1000);
  return {
    notBefore: new Date((second - profile.backdateSeconds) * 1000),
    notAfter: new Date((second + profile.validitySeconds) * 1000),
  };
}
