import {
  type AdmissionRequest,
  type DeviceAuthority,
  type DeviceId,
  type PeerKind,
  type RefusalReason,
  serviceName,
} from '@sallyport/protocol';
import { type DeviceRecord, holdsCertificate } from '../devices/device-record.js';

/** What the registry knows at the moment of a decision. */
export interface Situation {
  readonly record: DeviceRecord | undefined;
  /** The certificate has been revoked, by itself or with its device. */
  readonly isDenied: boolean;
}

/** `admit`: known certificate. `remember`: admit, but write down what is new first. */
export type Verdict =
  | { readonly kind: 'admit' }
  | { readonly kind: 'remember' }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason };

/** Who vouches for the certificate of a request. */
export function authorityOf({ issuedHere, issuerFingerprint }: AdmissionRequest): DeviceAuthority {
  return issuedHere ? 'site' : issuerFingerprint;
}

/**
 * Decides about a peer whose chain, dates and key an entrance has verified. In order: who may vouch for the name at
 * all, the state of the device, the certificate itself. A certificate the registry has not heard of is admitted,
 * because its CA has vouched for it: an event may still be on its way, and a foreign CA sends none.
 */
export function judgePeer(request: AdmissionRequest, { record, isDenied }: Situation): Verdict {
  if (!request.issuedHere && request.kind !== 'device') return refuse('not-permitted');
  if (record === undefined) return judgeStranger(request, isDenied);
  if (!isSameParty(request, record) || !isSameAuthority(request, record)) return refuse('name-conflict');
  if (record.state !== 'active') return refuse(`device-${record.state}`);
  if (isDenied || isOutdated(request, record)) return refuse('certificate-revoked');
  return holdsCertificate(record, request.fingerprint) ? { kind: 'admit' } : { kind: 'remember' };
}

function judgeStranger(request: AdmissionRequest, isDenied: boolean): Verdict {
  if (isDenied) return refuse('certificate-revoked');
  // A foreign CA could take the name of a service before the service has enrolled.
  if (!request.issuedHere && isServiceName(request.deviceId)) return refuse('name-conflict');
  return { kind: 'remember' };
}

/** The same spelling and the same kind: `DEV-1` is not `dev-1`, and a device is not the service of its name. */
export function isSameParty(
  { deviceId, kind }: { readonly deviceId: DeviceId; readonly kind: PeerKind },
  record: DeviceRecord,
): boolean {
  return record.deviceId === deviceId && record.kind === kind;
}

/**
 * Whether the CA of a request is the one that vouches for a name. An entrance may not know that a CA is one of this site,
 * because its service has not enrolled here; by its certificate it is the same CA all the same.
 */
function isSameAuthority({ issuedHere, issuerFingerprint }: AdmissionRequest, record: DeviceRecord): boolean {
  if (record.authority === issuerFingerprint) return true;
  if (record.authority !== 'site' || issuedHere) return record.authority === 'site';
  // Those of a CA the device was moved away from are revoked.
  return record.certificates.some(
    (certificate) => certificate.revocation === undefined && certificate.issuerFingerprint === issuerFingerprint,
  );
}

/** Names that only services of this site may bear. */
export function isServiceName(name: DeviceId): boolean {
  return serviceName.safeParse(name.toLowerCase()).success;
}

/** Older than the reinstatement, so among those that were revoked before it, even if nobody remembers this one. */
function isOutdated({ fingerprint, notBefore }: AdmissionRequest, record: DeviceRecord): boolean {
  if (record.admitsAfter === undefined || holdsCertificate(record, fingerprint)) return false;
  return Date.parse(notBefore) <= Date.parse(record.admitsAfter);
}

function refuse(reason: RefusalReason): Verdict {
  return { kind: 'refuse', reason };
}
