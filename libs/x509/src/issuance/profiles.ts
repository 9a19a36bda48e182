import type { PeerKind } from '@sallyport/protocol';
import type { KeyUsage, Purpose } from '../extension-writers.js';

/** Kinds of keys a profile can accept. */
export type AcceptedKey = 'P-256' | 'P-384' | 'Ed25519' | 'RSA';

/** What a certificate of one sort looks like; everything the issuer decides is here, nothing is taken from a CSR. */
export interface CertificateProfile {
  readonly name: string;
  /** What its holder is; `ca` for certificates that issue others. */
  readonly kind: PeerKind | 'ca';
  readonly validitySeconds: number;
  /** How far `notBefore` lies in the past, for peers whose clock is behind. */
  readonly backdateSeconds: number;
  readonly keys: readonly AcceptedKey[];
  readonly keyUsages: readonly KeyUsage[];
  /** None: every purpose. */
  readonly extendedKeyUsages: readonly Purpose[];
  /** How many CAs may follow below; absent: any number. Only for `ca`. */
  readonly pathLength?: number;
  readonly names: NameRules;
  /**
   * A leaf that lives no longer than this carries `noRevAvail` (RFC 9608) in place of a CRL distribution point; 0: never.
   */
  readonly noRevocationUpToSeconds: number;
  /** What must be left of the asked-for life when the issuer ends first, 0 to 1; with less nothing is signed. */
  readonly minimumLifeShare: number;
}

/** Which alternative names a leaf may hold, next to its identity URI, which every leaf holds. */
export interface NameRules {
  /** DNS names and addresses: none; only the device id, where it is a host name; or any the site permits. */
  readonly hosts: 'none' | 'own-name' | 'any';
  readonly requiresHost: boolean;
  readonly permitsWildcard: boolean;
}

const day = 24 * 60 * 60;
const year = 365 * day;

const leaf = {
  backdateSeconds: 300,
  keys: ['P-256', 'P-384', 'Ed25519', 'RSA'],
  // RFC 8813 §3, RFC 8410 §5: EC and Ed25519 keys only sign; RSA keys need no more for TLS 1.3 and ECDHE suites.
  keyUsages: ['digitalSignature'],
  names: { hosts: 'none', requiresHost: false, permitsWildcard: false },
  noRevocationUpToSeconds: 7 * day,
  minimumLifeShare: 0.5,
} as const satisfies Partial<CertificateProfile>;

const authority = {
  kind: 'ca',
  backdateSeconds: 300,
  keys: ['P-256', 'P-384', 'Ed25519', 'RSA'],
  keyUsages: ['keyCertSign', 'cRLSign'],
  names: { hosts: 'none', requiresHost: false, permitsWildcard: false },
  noRevocationUpToSeconds: 0,
  minimumLifeShare: 0,
} as const satisfies Partial<CertificateProfile>;

/**
 * The profiles of this system; a site changes a lifetime with `{ ...certificateProfiles.device, validitySeconds }`.
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
  /** A process of this system: serves and calls others. */
  service: {
    ...leaf,
    name: 'service',
    kind: 'service',
    validitySeconds: 30 * day,
    extendedKeyUsages: ['serverAuth', 'clientAuth'],
    names: { hosts: 'any', requiresHost: false, permitsWildcard: false },
  },
  /** A person or tool that administers the site. */
  admin: { ...leaf, name: 'admin', kind: 'admin', validitySeconds: 30 * day, extendedKeyUsages: ['clientAuth'] },
  /** A TLS server that calls nobody. */
  server: {
    ...leaf,
    name: 'server',
    kind: 'service',
    validitySeconds: 30 * day,
    extendedKeyUsages: ['serverAuth'],
    names: { hosts: 'any', requiresHost: true, permitsWildcard: true },
  },
  root: { ...authority, name: 'root', validitySeconds: 20 * year, extendedKeyUsages: [] },
  issuing: {
    ...authority,
    name: 'issuing',
    validitySeconds: 5 * year,
    // Constrains every leaf below to TLS, whatever its own extension says.
    extendedKeyUsages: ['serverAuth', 'clientAuth'],
    pathLength: 0,
  },
} as const satisfies Record<string, CertificateProfile>;

/** Validity of a certificate issued now: backdated, to the second, ending when the profile says. */
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
