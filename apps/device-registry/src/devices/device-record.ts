import {
  type CertificateAdmissionRequest,
  connectorName,
  type DeviceAuthority,
  type DeviceCertificate,
  type DeviceId,
  deviceAuthority,
  deviceDescription,
  deviceId,
  deviceOwner,
  deviceState,
  deviceTags,
  type Fingerprint,
  fingerprint,
  type PeerKind,
  peerKind,
  type StateChange,
} from '@sallyport/protocol';
import { z } from 'zod';

const mostCertificates = 20;
const mostStates = 50;

/** What the record says of a secret. Its digest is stored apart. */
const deviceCredential = z.strictObject({
  kind: z.enum(['token', 'password']),
  /** Random; names the credential in announcements, as a fingerprint names a certificate. */
  id: fingerprint,
  issuedAt: z.iso.datetime(),
  /** False: an administrator has taken it back, and the next activation gives a new one. */
  isActive: z.boolean(),
});
export type DeviceCredential = z.infer<typeof deviceCredential>;

/** A device, service or administrator as the registry stores it. */
export const deviceRecord = z.strictObject({
  deviceId,
  kind: peerKind,
  state: deviceState,
  /** The only authority whose certificates are accepted for this name. */
  authority: deviceAuthority,
  registeredAt: z.iso.datetime(),
  /** Newest first. */
  certificates: deviceDescription.shape.certificates,
  /** Newest first; the first is the present state. */
  states: deviceDescription.shape.states,
  /** Set by a reinstatement: a certificate that does not begin after this moment is refused, known or not. */
  admitsAfter: z.iso.datetime().optional(),
  /** The connector at which the device came in; absent for the entrances of this site. */
  connector: connectorName.optional(),
  tags: deviceTags.optional(),
  /** The secret with which it proves who it is; absent for certificates. */
  credential: deviceCredential.optional(),
  /** The next certificate, which an administrator accepted before it came. */
  expectedCertificate: fingerprint.optional(),
  /** Who signed it up at the CoAP gateway. */
  owner: deviceOwner.optional(),
});
export type DeviceRecord = z.infer<typeof deviceRecord>;

export interface Registration {
  readonly deviceId: DeviceId;
  readonly kind: PeerKind;
  readonly authority: DeviceAuthority;
  readonly certificate: DeviceCertificate;
  readonly at: string;
  readonly actor: string;
}

/** A new record, active, with its first certificate. */
export function registered({ deviceId: id, kind, authority, certificate, at, actor }: Registration): DeviceRecord {
  return {
    deviceId: id,
    kind,
    state: 'active',
    authority,
    registeredAt: at,
    certificates: [certificate],
    states: [{ state: 'active', at, actor }],
  };
}

/** A certificate as the record keeps it, when a device has shown it at an entrance. */
export function shownCertificate(request: CertificateAdmissionRequest, recordedAt: string): DeviceCertificate {
  const { fingerprint, serialNumber, issuerFingerprint, authorities, notBefore, notAfter } = request;
  const [issuer] = authorities;
  return {
    fingerprint,
    serialNumber,
    issuerFingerprint,
    ...(issuer === undefined ? {} : { issuer }),
    notBefore,
    notAfter,
    recordedAt,
    source: 'contact',
  };
}

/** The record with one more certificate. It holds at most 20; the oldest is dropped. */
export function withCertificate(record: DeviceRecord, certificate: DeviceCertificate): DeviceRecord {
  return { ...record, certificates: [certificate, ...record.certificates].slice(0, mostCertificates) };
}

/** The record in another state. It holds the newest 50 changes. */
export function withState(record: DeviceRecord, change: StateChange): DeviceRecord {
  return { ...record, state: change.state, states: [change, ...record.states].slice(0, mostStates) };
}

/** The record with certificates marked as revoked. A certificate revoked earlier keeps its date. */
export function withRevoked(
  record: DeviceRecord,
  revocation: { readonly revokedAt: string; readonly reason: string },
  isConcerned: (certificate: DeviceCertificate) => boolean = () => true,
): DeviceRecord {
  const certificates = record.certificates.map((certificate) =>
    certificate.revocation === undefined && isConcerned(certificate)
      ? { ...certificate, revocation: { ...revocation } }
      : certificate,
  );
  return { ...record, certificates };
}

/** Of the certificates that are not revoked, the one that ends last; undefined when there is none. */
export function lastingCertificateOf({ certificates }: DeviceRecord): DeviceCertificate | undefined {
  const admitted = certificates.filter(({ revocation }) => revocation === undefined);
  return admitted.toSorted((one, other) => Date.parse(one.notAfter) - Date.parse(other.notAfter)).at(-1);
}

/** When it ends. */
export function lastEndOf(record: DeviceRecord): string | undefined {
  return lastingCertificateOf(record)?.notAfter;
}

/** Whether the registry has seen this certificate under this name. */
export function holdsCertificate(record: DeviceRecord, presented: Fingerprint): boolean {
  return record.certificates.some((certificate) => certificate.fingerprint === presented);
}

export function fingerprintsOf(record: DeviceRecord): Fingerprint[] {
  return record.certificates.map((certificate) => certificate.fingerprint);
}

/** Everything with which a device may have sessions: its certificates, and its secret. */
export function credentialsOf(record: DeviceRecord): Fingerprint[] {
  const { credential } = record;
  return credential === undefined ? fingerprintsOf(record) : [...fingerprintsOf(record), credential.id];
}

/**
 * Whether only its owner vouches for a device: it was signed up without a certificate. An administrator of this site may
 * give it one.
 */
export function isUnvouched({ authority, credential }: DeviceRecord): boolean {
  return authority === 'none' && credential === undefined;
}

/**
 * The name in lower case. Two devices must not have the same: `DEV-1` and `dev-1` are one name, and only the spelling
 * that came first is admitted. Names are ASCII, so lower case is enough.
 */
export function foldedName(name: DeviceId): string {
  return name.toLowerCase();
}
