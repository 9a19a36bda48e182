import type { Certificate } from './certificate.js';

/** Whether a certificate names itself as its issuer (RFC 5280 §3.2). Nothing says that its own key has signed it. */
export function isSelfIssued({ subject, issuer }: Pick<Certificate, 'subject' | 'issuer'>): boolean {
  return subject.der.equals(issuer.der);
}
