import { isTrusted } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';

/**
 * RFC 7030 §4.1.3: all that a client needs to build a chain, also the CAs between an imported CA and its root; while the
 * root changes, both roots and what each says of the other. DER.
 */
export function publishedCertificates(hierarchy: Hierarchy): Buffer[] {
  const { roots, issuing, retiring } = hierarchy.trustBundle;
  const between = hierarchy.all.filter(isTrusted).flatMap(({ intermediates }) => intermediates);
  const cross = hierarchy.crossCertificates.map(({ certificate }) => certificate);
  const published = [...roots, ...issuing, ...retiring, ...between, ...cross];
  return [...new Map(published.map(({ fingerprint, der }) => [fingerprint, der])).values()];
}

/** An issued certificate, then its issuing CAs and the way from earlier roots, without a self-signed root; DER. */
export function issuedCertificates(hierarchy: Hierarchy, record: CertificateRecord): [Buffer, ...Buffer[]] {
  const chain = hierarchy.chainOf(hierarchy.byId(record.issuer));
  return [Buffer.from(record.certificate, 'base64'), ...chain.map(({ der }) => der)];
}
