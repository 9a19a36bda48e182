import type { Certificate } from './certificate.js';
import type { SubjectAltName } from './general-name.js';
import { keyText } from './public-key.js';
import { isSelfIssued } from './self-issued.js';
import { hasEnded } from './validity.js';

/** A certificate in a form for people. */
export interface ReadableCertificate {
  /** RFC 4514. */
  readonly subject: string;
  readonly issuer: string;
  readonly status: 'valid' | 'expires-soon' | 'expired' | 'not-yet-valid';
  /** Seconds until the status ends; for `expired`, seconds since it began. Never negative. */
  readonly statusSeconds: number;
  readonly validFrom: Date;
  readonly validUntil: Date;
  readonly serialNumber: { readonly decimal: string; readonly hex: string };
  /** SHA-1 over the DER, upper-case hexadecimal, as clouds show it. */
  readonly thumbprint: string;
  /** SHA-256 over the DER, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** `EC P-256`, `RSA 2048`, `Ed25519`. */
  readonly key: string;
  readonly signatureAlgorithm: string;
  readonly isCa: boolean;
  readonly isSelfIssued: boolean;
  readonly subjectAltNames: readonly SubjectAltName[];
  readonly keyUsages: readonly string[];
  readonly extendedKeyUsages: readonly string[];
}

/**
 * The values that `cert show` prints.
 *
 * @param minimumSeconds  with this remaining lifetime or less, the status is `expires-soon`; 0 disables this status.
 */
export function describeCertificate(certificate: Certificate, now: Date, minimumSeconds = 0): ReadableCertificate {
  const { subject, issuer, serialNumber } = certificate;
  return {
    subject: subject.text,
    issuer: issuer.text,
    ...statusOf(certificate, now, minimumSeconds),
    validFrom: certificate.notBefore,
    validUntil: certificate.notAfter,
    serialNumber: { decimal: BigInt(`0x${serialNumber}`).toString(), hex: serialNumber },
    thumbprint: certificate.fingerprintSha1.toUpperCase(),
    fingerprint: certificate.fingerprint,
    key: keyText(certificate.key),
    signatureAlgorithm: certificate.signatureAlgorithm,
    isCa: certificate.isCa,
    isSelfIssued: isSelfIssued(certificate),
    subjectAltNames: certificate.subjectAltNames,
    keyUsages: certificate.keyUsages ?? [],
    extendedKeyUsages: certificate.extendedKeyUsages ?? [],
  };
}

function statusOf(
  certificate: Certificate,
  now: Date,
  minimumSeconds: number,
): Pick<ReadableCertificate, 'status' | 'statusSeconds'> {
  const untilStart = secondsBetween(now, certificate.notBefore);
  if (untilStart > 0) return { status: 'not-yet-valid', statusSeconds: untilStart };
  const untilEnd = secondsBetween(now, certificate.notAfter);
  if (hasEnded(certificate, now)) return { status: 'expired', statusSeconds: -untilEnd };
  const isSoon = minimumSeconds > 0 && untilEnd <= minimumSeconds;
  return { status: isSoon ? 'expires-soon' : 'valid', statusSeconds: untilEnd };
}

function secondsBetween(from: Date, to: Date): number {
  return Math.trunc((to.getTime() - from.getTime()) / 1000);
}
