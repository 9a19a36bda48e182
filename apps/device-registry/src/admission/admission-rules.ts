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
import { type DeviceRecord, holdsCertificate, isUnvouched } from '../devices/device-record.js';

/** What the registry knows at the moment of a decision. */
export interface Situation {
  readonly record: DeviceRecord | undefined;
  /** The certificate was revoked, alone or together with its device. */
  readonly isDenied: boolean;
}

/**
 * `admit`: the certificate is known. `remember`: write down what is new, then admit. `recognise`: write down key and
 * name of the CA, then admit. Until now the CA was known by one certificate only.
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
 * Decides about a peer. An entrance has already verified its chain, dates and key. The checks, in this order: may these
 * CAs vouch for the name, the state of the device, the certificate. A certificate that the registry does not know is
 * admitted, because its CA has vouched for it: the event of a new certificate may still be on its way, and a foreign CA
 * sends no events.
 */
export function judgePeer(request: CertificateAdmissionRequest, { record, isDenied }: Situation): AdmissionResult {
  if (!request.issuedHere && request.kind !== 'device') return refuse('not-permitted');
  if (record === undefined) return judgeStranger(request, isDenied);
  if (!isSameParty(request, record) || !isSameAuthority(request, record)) return refuse('name-conflict');
  if (record.state !== 'active') return refuse(`device-${record.state}`);
  if (isDenied || isOutdated(request, record)) return refuse('certificate-revoked');
  if (isPinned(request, record)) return refuse('certificate-not-pinned');
  if (!holdsCertificate(record, request.fingerprint)) return { kind: 'remember' };
  return isFormerAuthority(record.authority) ? { kind: 'recognise' } : { kind: 'admit' };
}

/** A connector decides which certificates its devices may have. No other entrance gives them a new one. */
function isPinned({ issuedHere, fingerprint }: CertificateAdmissionRequest, record: DeviceRecord): boolean {
  return record.connector !== undefined && !issuedHere && !holdsCertificate(record, fingerprint);
}

function judgeStranger(request: CertificateAdmissionRequest, isDenied: boolean): AdmissionResult {
  if (isDenied) return refuse('certificate-revoked');
  // Otherwise a foreign CA could take the name before the service or the administrator enrols.
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
 * Whether the CAs above a certificate are those that vouch for a name. An entrance whose service has not enrolled here
 * does not know the CAs of this site. So a CA of this site is also recognised by its certificate.
 */
function isSameAuthority(request: CertificateAdmissionRequest, record: DeviceRecord): boolean {
  const { authority, certificates } = record;
  if (authority === 'site') return request.issuedHere || isIssuerOfAny(request, certificates);
  if (isFormerAuthority(authority)) return isFormerIssuer(request, authority, certificates);
  // The device had this certificate before another CA took it over. Only the device has the key, so the certificate
  // stays valid until its CA is distrusted.
  if (authority === 'none') return request.issuedHere && isUnvouched(record);
  return request.authorities.includes(authority) || (!request.issuedHere && isHeld(request, certificates));
}

/** Certificates of a CA from which the device was moved away are revoked. */
function isIssuerOfAny(
  { knownIssuerFingerprints }: CertificateAdmissionRequest,
  certificates: readonly DeviceCertificate[],
) {
  return certificates.some(
    ({ revocation, issuerFingerprint }) =>
      revocation === undefined && knownIssuerFingerprints.includes(issuerFingerprint),
  );
}

/** Records of older versions hold the fingerprint of the CA certificate that issued the first leaf. */
export function isFormerAuthority(authority: DeviceAuthority): authority is Fingerprint {
  return authority !== 'site' && authority !== 'none' && !authority.startsWith('ca:');
}

/**
 * Whether an old record means the CA that issued this leaf. That is so if the entrance still trusts the recorded
 * certificate and says that it is the same CA, or if the record was made with this leaf.
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

/** Names that only services of this site may have. */
export function isServiceName(name: DeviceId): boolean {
  return serviceName.safeParse(name.toLowerCase()).success;
}

/** Older than the reinstatement. So it was revoked before, even if the registry has forgotten it. */
function isOutdated({ fingerprint, notBefore }: CertificateAdmissionRequest, record: DeviceRecord): boolean {
  if (record.admitsAfter === undefined || holdsCertificate(record, fingerprint)) return false;
  return Date.parse(notBefore) <= Date.parse(record.admitsAfter);
}

/** Names that no CA outside this site may vouch for. */
export function isNameOfSite(name: DeviceId): boolean {
  return isServiceName(name) || localIdentityName.safeParse(name.toLowerCase()).success;
}

function refuse(reason: RefusalReason): AdmissionResult {
  return { kind: 'refuse', reason };
}
