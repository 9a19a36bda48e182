import {
  type CertificateAdmissionRequest,
  type DeviceAuthority,
  type DeviceCertificate,
  type DeviceId,
  type Fingerprint,
  localIdentityName,
  type PeerKind,
  type RefusalReason,
  serviceName,
} from '@sallyport/protocol';
import type { NamedAuthority } from '../devices/authorities.js';
import { type DeviceRecord, holdsCertificate } from '../devices/device-record.js';

/** What the registry knows at the moment of a decision. */
export interface Situation {
  readonly record: DeviceRecord | undefined;
  /** The certificate has been revoked, by itself or with its device. */
  readonly isDenied: boolean;
}

/**
 * `admit`: known certificate. `remember`: admit, but write down what is new first. `recognise`: admit, and write down who
 * the CA is, which was known by a certificate only.
 */
export type AdmissionResult =
  | { readonly kind: 'admit' }
  | { readonly kind: 'remember' }
  | { readonly kind: 'recognise' }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason };

/** Who vouches for the certificate of a request: this site, or the topmost trusted CA. */
export function authorityOf(request: CertificateAdmissionRequest): DeviceAuthority {
  return request.issuedHere ? 'site' : vouchingCa(request).id;
}

/** The topmost trusted CA above the certificate of a request. */
export function vouchingCa({ authorities, authorityName }: CertificateAdmissionRequest): NamedAuthority {
  const id = authorities.at(-1);
  if (id === undefined) throw new Error('no CA vouches for a peer that was verified');
  return { id, name: authorityName };
}

/**
 * Decides about a peer whose chain, dates and key an entrance has verified. In order: who may vouch for the name at
 * all, the state of the device, the certificate itself. A certificate the registry has not heard of is admitted,
 * because its CA has vouched for it: an event may still be on its way, and a foreign CA sends none.
 */
export function judgePeer(request: CertificateAdmissionRequest, { record, isDenied }: Situation): AdmissionResult {
  if (!request.issuedHere && request.kind !== 'device') return refuse('not-permitted');
  if (record === undefined) return judgeStranger(request, isDenied);
  if (!isSameParty(request, record) || !isSameAuthority(request, record)) return refuse('name-conflict');
  if (record.state !== 'active') return refuse(`device-${record.state}`);
  if (isDenied || isOutdated(request, record)) return refuse('certificate-revoked');
  if (!holdsCertificate(record, request.fingerprint)) return { kind: 'remember' };
  return isFormerAuthority(record.authority) ? { kind: 'recognise' } : { kind: 'admit' };
}

function judgeStranger(request: CertificateAdmissionRequest, isDenied: boolean): AdmissionResult {
  if (isDenied) return refuse('certificate-revoked');
  // A foreign CA could take the name before the service or the administrator has enrolled.
  if (!request.issuedHere && isNameOfSite(request.deviceId)) return refuse('name-conflict');
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
 * Whether the CAs above a certificate are those that vouch for a name. An entrance may not know that a CA is one of this
 * site, because its service has not enrolled here; by its certificate it is the same CA all the same.
 */
function isSameAuthority(request: CertificateAdmissionRequest, record: DeviceRecord): boolean {
  const { authority, certificates } = record;
  if (authority === 'site') return request.issuedHere || isIssuerOfAny(request, certificates);
  if (isFormerAuthority(authority)) return isFormerIssuer(request, authority, certificates);
  // One the device had before its CA handed it over: nobody else holds its key, and it is good until its CA is distrusted.
  return request.authorities.includes(authority) || (!request.issuedHere && isHeld(request, certificates));
}

/** Those of a CA the device was moved away from are revoked. */
function isIssuerOfAny(
  { knownIssuerFingerprints }: CertificateAdmissionRequest,
  certificates: readonly DeviceCertificate[],
) {
  return certificates.some(
    ({ revocation, issuerFingerprint }) =>
      revocation === undefined && knownIssuerFingerprints.includes(issuerFingerprint),
  );
}

/** Records of older versions name the certificate of the CA that issued the first leaf. */
export function isFormerAuthority(authority: DeviceAuthority): authority is Fingerprint {
  return authority !== 'site' && !authority.startsWith('ca:');
}

/**
 * Whether the CA that issued a leaf had the certificate an old record names. Either the entrance still trusts that
 * certificate and says that it is the same CA, or the leaf itself is the one this CA was recorded with.
 */
function isFormerIssuer(
  request: CertificateAdmissionRequest,
  authority: Fingerprint,
  certificates: readonly DeviceCertificate[],
): boolean {
  if (request.knownIssuerFingerprints.includes(authority)) return true;
  return isHeld(
    request,
    certificates.filter(({ issuerFingerprint }) => issuerFingerprint === authority),
  );
}

function isHeld({ fingerprint }: CertificateAdmissionRequest, certificates: readonly DeviceCertificate[]): boolean {
  return certificates.some((held) => held.fingerprint === fingerprint && held.revocation === undefined);
}

/** Names that only services of this site may bear. */
export function isServiceName(name: DeviceId): boolean {
  return serviceName.safeParse(name.toLowerCase()).success;
}

/** Older than the reinstatement, so among those that were revoked before it, even if nobody remembers this one. */
function isOutdated({ fingerprint, notBefore }: CertificateAdmissionRequest, record: DeviceRecord): boolean {
  if (record.admitsAfter === undefined || holdsCertificate(record, fingerprint)) return false;
  return Date.parse(notBefore) <= Date.parse(record.admitsAfter);
}

function isNameOfSite(name: DeviceId): boolean {
  return isServiceName(name) || localIdentityName.safeParse(name.toLowerCase()).success;
}

function refuse(reason: RefusalReason): AdmissionResult {
  return { kind: 'refuse', reason };
}
