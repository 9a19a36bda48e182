import type { AuthorityDescription, HierarchyDescription, TrustBundle } from '@sallyport/protocol';
import { type Certificate, pemFromDer } from '@sallyport/x509';
import { type Authority, keyIdOf } from './authority.js';
import { type LiveCertificates, rootSuccessionOf } from './followers.js';
import type { Hierarchy } from './hierarchy.js';

/** The hierarchy as the admin API shows it, and while the root changes, how far that has come. */
export async function describeHierarchy(
  hierarchy: Hierarchy,
  certificates: LiveCertificates,
): Promise<HierarchyDescription> {
  const rootSuccession = await rootSuccessionOf(hierarchy, certificates);
  return {
    trustBundleVersion: hierarchy.trustBundle.version,
    caFingerprint: hierarchy.rootFingerprint,
    authorities: hierarchy.all.map((authority) => describeAuthority(hierarchy, authority)),
    ...(rootSuccession === undefined ? {} : { rootSuccession }),
  };
}

/** The trust bundle as the admin API shows it. */
export function describeTrustBundle(hierarchy: Hierarchy): TrustBundle {
  const { version, roots, issuing, retiring } = hierarchy.trustBundle;
  return { version, roots: roots.map(toPem), issuing: issuing.map(toPem), retiring: retiring.map(toPem) };
}

function describeAuthority(hierarchy: Hierarchy, authority: Authority): AuthorityDescription {
  const { record, certificate, crossCertificates } = authority;
  const { id, purpose, state, activatesAt, publishedAt, keyName } = record;
  return {
    id,
    purpose,
    state,
    subject: certificate.subject.text,
    issuer: certificate.issuer.text,
    fingerprint: certificate.fingerprint,
    keyId: keyIdOf(certificate),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    ...(activatesAt === undefined ? {} : { activatesAt }),
    ...(publishedAt === undefined ? {} : { publishedAt }),
    root: hierarchy.rootOf(authority).record.id,
    ...(crossCertificates.length === 0 ? {} : { crossSignedBy: crossCertificates.map(({ issuer }) => issuer) }),
    hasKey: keyName !== undefined,
  };
}

function toPem({ der }: Certificate): string {
  return pemFromDer('CERTIFICATE', der);
}
