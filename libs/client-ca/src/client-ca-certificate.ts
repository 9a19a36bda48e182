import { type AuthorityId, type ClientCaCertificate, type Pasted, Problem, printable } from '@sallyport/protocol';
import { authorityIdOf, type Certificate, nameKey, parseCertificate } from '@sallyport/x509';
import { decode } from './decode.js';
import { certificatesIn, readPasted } from './pasted.js';

/** A certificate that may become one of a Client CA. */
export interface AcceptedCa {
  readonly id: AuthorityId;
  readonly certificate: Certificate;
  readonly entry: ClientCaCertificate;
}

/**
 * Takes what somebody pasted as the certificate of a Client CA.
 *
 * @throws Problem `certificate-rejected`: it cannot be one; the text holds all reasons, the extension `decoded` the rest
 */
export function acceptClientCa(pasted: Pasted, now: Date): AcceptedCa {
  const decoded = decode(pasted, now);
  const [certificate] = certificatesIn(readPasted(pasted).items);
  const faults = decoded.findings.filter(({ severity }) => severity === 'error');
  if (certificate !== undefined && faults.length === 0)
    return { id: authorityIdOf(certificate), certificate, entry: entryOf(certificate) };
  const reasons = [...new Set(faults.map(({ text }) => text))].slice(0, 5).join(' ');
  throw new Problem('certificate-rejected', `This cannot be a Client CA. ${reasons}`, {
    extensions: { findings: decoded.findings.slice(0, 20) },
  });
}

/** The parsed certificate of an entry. @throws Problem `certificate-rejected`: the store holds something else */
export function certificateOf({ der }: Pick<ClientCaCertificate, 'der'>): Certificate {
  return parseCertificate(Buffer.from(der, 'base64'));
}

/** Whether two CAs have one name and different keys. */
export function areNamesakes(one: Certificate, other: Certificate): boolean {
  return nameKey(one.subject) === nameKey(other.subject) && !one.spki.equals(other.spki);
}

function entryOf(certificate: Certificate): ClientCaCertificate {
  return {
    fingerprint: certificate.fingerprint,
    der: certificate.der.toString('base64'),
    subject: printable(certificate.subject.text),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
  };
}
