import { hash } from 'node:crypto';
import type { Certificate, CertificateRequest, Name, SubjectAltName } from '@sallyport/x509';
import type { RequestedNames } from '../inventory/certificate-record.js';

// RFC 4519 §2.3.
const commonName = '2.5.4.3';

/** Digests of the names a request asks for. */
export function requestedNamesOf({ subject, subjectAltNames }: CertificateRequest): RequestedNames {
  return { subject: digestOf(subjectValues(subject)), subjectAltNames: digestOf(altNameValues(subjectAltNames)) };
}

/** What a client asks for that names itself and nothing else: what the profile adds is not in the request. */
export function plainRequestOf({ subject }: Certificate): RequestedNames {
  const named = subjectValues(subject).filter(([oid]) => oid === commonName);
  return { subject: digestOf(named), subjectAltNames: digestOf([]) };
}

/**
 * Whether a renewal asks for the names of its certificate (RFC 7030 §4.2.2). The profile may have replaced the names of
 * the first request, so asking for those again is no change either. No alternative names means the same as before,
 * because IoT libraries leave them out of a renewal. String types do not matter (RFC 5280 §7.1).
 */
export function asksForSameNames(
  csr: CertificateRequest,
  certificate: Certificate,
  requestedAtFirst: RequestedNames,
): boolean {
  const asked = requestedNamesOf(csr);
  const held: RequestedNames = {
    subject: digestOf(subjectValues(certificate.subject)),
    subjectAltNames: digestOf(altNameValues(certificate.subjectAltNames)),
  };
  const isSubjectKept = asked.subject === held.subject || asked.subject === requestedAtFirst.subject;
  const areAltNamesKept =
    csr.subjectAltNames.length === 0 ||
    asked.subjectAltNames === held.subjectAltNames ||
    asked.subjectAltNames === requestedAtFirst.subjectAltNames;
  return isSubjectKept && areAltNamesKept;
}

function subjectValues({ attributes }: Name): string[][] {
  return attributes.map(({ oid, value }) => [oid, value]);
}

function altNameValues(names: readonly SubjectAltName[]): string[][] {
  return names.map(({ type, value }) => [type, value]);
}

function digestOf(values: string[][]): string {
  return hash('sha256', JSON.stringify(values));
}
