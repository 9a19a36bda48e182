import {
  type CertificateAdmissionRequest,
  type ConnectorContact,
  type ConnectorName,
  Problem,
} from '@sallyport/protocol';
import { type Certificate, parseCertificate } from '@sallyport/x509';
import { Refusal } from './refusal.js';

/** A device that showed its certificate at an entrance of a connector. */
export interface CertificateContact {
  readonly request: CertificateAdmissionRequest;
  readonly connector: ConnectorName;
  readonly leaf: Certificate;
}

/**
 * Reads the certificate of a request.
 *
 * @throws Refusal `certificate-malformed`: it is none, or not the one whose fingerprint the entrance verified
 */
export function contactOf(
  request: CertificateAdmissionRequest,
  { name, certificate }: ConnectorContact,
): CertificateContact {
  const leaf = leafOf(Buffer.from(certificate, 'base64'));
  if (leaf.fingerprint !== request.fingerprint) throw new Refusal('certificate-malformed');
  return { request, connector: name, leaf };
}

function leafOf(der: Buffer): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof Problem) throw new Refusal('certificate-malformed');
    throw error;
  }
}
