import {
  type DeviceAuthority,
  type DeviceCertificate,
  type DeviceId,
  deviceAuthority,
  deviceDescription,
  deviceId,
  deviceState,
  type Fingerprint,
  type PeerKind,
  peerKind,
  type StateChange,
} from '@sallyport/protocol';
import { z } from 'zod';

const mostCertificates = 20;
const mostStates = 50;

/** A device, service or administrator as the registry keeps it. */
export const deviceRecord = z.strictObject({
  deviceId,
  kind: peerKind,
  state: deviceState,
  /** The one authority whose certificates this name is admitted with. */
  authority: deviceAuthority,
  registeredAt: z.iso.datetime(),
  /** Newest first. */
  certificates: deviceDescription.shape.certificates,
  /** Newest first; the first is the present state. */
  states: deviceDescription.shape.states,
  /** Since a reinstatement: certificates that do not begin after this moment stay out, known or not. */
  admitsAfter: z.iso.datetime().optional(),
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

/** A new record: active from its first certificate on. */
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

/** The record with one more certificate; the oldest beyond 20 is forgotten. */
export function withCertificate(record: DeviceRecord, certificate: DeviceCertificate): DeviceRecord {
  return { ...record, certificates: [certificate, ...record.certificates].slice(0, mostCertificates) };
}

/** The record in another state; the change is remembered, the newest 50 of them. */
export function withState(record: DeviceRecord, change: StateChange): DeviceRecord {
  return { ...record, state: change.state, states: [change, ...record.states].slice(0, mostStates) };
}

/** The record with certificates marked as revoked; one revoked earlier keeps its date. */
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

/** Whether the registry has seen this certificate under this name. */
export function holdsCertificate(record: DeviceRecord, fingerprint: Fingerprint): boolean {
  return record.certificates.some((certificate) => certificate.fingerprint === fingerprint);
}

export function fingerprintsOf(record: DeviceRecord): Fingerprint[] {
  return record.certificates.map(({ fingerprint }) => fingerprint);
}

/**
 * What two names must not share. Names are ASCII, so this is all of case folding: `DEV-1` and `dev-1` are one name, and
 * the spelling that came first is the only one admitted.
 */
export function foldedName(name: DeviceId): string {
  return name.toLowerCase();
}
