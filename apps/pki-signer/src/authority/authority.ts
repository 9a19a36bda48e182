import { authorityPurpose, authorityState } from '@sallyport/protocol';
import { type Certificate, parseCertificate } from '@sallyport/x509';
import { z } from 'zod';

/** A certificate that another root of this site has issued for a root. */
const crossCertificate = z.strictObject({
  /** Id of the root that signed it. */
  issuer: z.string(),
  /** Base64 of the DER. */
  certificate: z.base64(),
});

/** A CA as it is stored, under its id. */
const authorityRecord = z.strictObject({
  /** Purpose and generation, such as `device-2`. */
  id: z.string(),
  purpose: authorityPurpose,
  generation: z.number().int().positive(),
  state: authorityState,
  /** Base64 of the DER. */
  certificate: z.base64(),
  /** Certificates between it and its root, nearest first, base64; they come with an imported CA. */
  intermediates: z.array(z.base64()),
  /** Name of its key in the key store; absent when the key is kept elsewhere. */
  keyName: z.string().exactOptional(),
  /** When a published CA starts to sign. */
  activatesAt: z.iso.datetime().exactOptional(),
  /** When a root that followed another one came into the trust bundle. */
  publishedAt: z.iso.datetime().exactOptional(),
  /** For a root: its key, certified by other roots. Those who know only one of these find the way. */
  crossCertificates: z.array(crossCertificate).exactOptional(),
  /** Its key is not trusted any more, so it never comes back into the trust bundle. */
  withdrawn: z.literal(true).exactOptional(),
});
export type AuthorityRecord = z.infer<typeof authorityRecord>;

/** A root's key, certified by another root. */
export interface CrossCertificate {
  /** Id of the root that signed it. */
  readonly issuer: string;
  readonly certificate: Certificate;
}

/** A CA in memory. */
export interface Authority {
  readonly record: AuthorityRecord;
  /** Revision of the stored record. A transaction that depends on the state of the CA compares it. */
  readonly revision: number;
  readonly certificate: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly crossCertificates: readonly CrossCertificate[];
}

/** Reads one stored CA. */
export function authorityFrom(value: unknown, revision: number): Authority {
  const record = authorityRecord.parse(value);
  const fromBase64 = (text: string) => parseCertificate(Buffer.from(text, 'base64'));
  return {
    record,
    revision,
    certificate: fromBase64(record.certificate),
    intermediates: record.intermediates.map(fromBase64),
    crossCertificates: (record.crossCertificates ?? []).map(({ issuer, certificate }) => ({
      issuer,
      certificate: fromBase64(certificate),
    })),
  };
}

/** Names the CA in URLs: its subject key identifier, lower-case hexadecimal. */
export function keyIdOf(certificate: Certificate): string {
  // Every CA made here has one (RFC 5280 §4.2.1.2). An old imported root may have none.
  return certificate.subjectKeyIdentifier?.toLowerCase() ?? certificate.fingerprint.slice(0, 40);
}

/** Whether it was made elsewhere. The key of a CA made here has the id of the CA. */
export function isImported({ record }: Authority): boolean {
  return record.keyName !== record.id;
}

/** Whether two certificates are of the same CA: same key and same name. */
export function isSameAuthority(one: Certificate, other: Certificate): boolean {
  return one.spki.equals(other.spki) && one.subject.der.equals(other.subject.der);
}

/** States in which a CA is part of the trust bundle. */
export function isTrusted({ record }: Authority): boolean {
  return record.state === 'published' || record.state === 'active' || record.state === 'retiring';
}

/** Whether it signs CRLs: from its publication until the last certificate it issued has expired. */
export function signsCrls(authority: Authority): boolean {
  return authority.record.keyName !== undefined && isTrusted(authority);
}
