import {
  type CertificateDescription,
  deviceId,
  fingerprint,
  peerKind,
  revocationReason,
  serialNumber,
} from '@sallyport/protocol';
import { hasEnded } from '@sallyport/x509';
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The names of the first request. A renewal may ask for them again, even if the profile replaced them. */
const requestedNames = z.strictObject({
  /** SHA-256 over the subject's values. */
  subject: sha256,
  /** SHA-256 over the alternative names; of an empty list when there were none. */
  subjectAltNames: sha256,
});
export type RequestedNames = z.infer<typeof requestedNames>;

/** A certificate as it is stored, under its fingerprint. */
export const certificateRecord = z.strictObject({
  fingerprint,
  serialNumber,
  /** Id of the issuing CA. */
  issuer: z.string(),
  issuerFingerprint: fingerprint,
  deviceId,
  kind: peerKind,
  profile: z.string(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  issuedAt: z.iso.datetime(),
  /** Base64 of the DER. */
  certificate: z.base64(),
  requested: requestedNames,
  /** Extensions that the request asked for and the certificate does not have. */
  leftOut: z.array(z.string()).exactOptional(),
  /** The certificate it renews. */
  renews: fingerprint.exactOptional(),
  revocation: z.strictObject({ revokedAt: z.iso.datetime(), reason: revocationReason }).exactOptional(),
});
export type CertificateRecord = z.infer<typeof certificateRecord>;

/** A record as the admin API shows it. */
export function describeRecord(record: CertificateRecord, now: Date): CertificateDescription {
  const { certificate: _der, requested: _requested, leftOut: _leftOut, renews: _renews, revocation, ...shown } = record;
  if (revocation !== undefined) return { ...shown, state: 'revoked', revocation };
  return { ...shown, state: hasEnded(record, now) ? 'expired' : 'valid' };
}

/** What the event tells other services about a certificate. */
export function announcementOf(record: CertificateRecord) {
  const { certificate: _der, requested: _requested, leftOut: _leftOut, renews: _renews, ...rest } = record;
  const { issuer: _issuer, ...announced } = rest;
  return announced;
}
