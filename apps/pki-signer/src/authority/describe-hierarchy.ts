import type { AuthorityDescription, HierarchyDescription, TrustBundle } from '@sallyport/protocol';
import { type Certificate, pemFromDer } from '@sallyport/x509';
import { type Authority, keyIdOf } from './authority.js';
import type { Hierarchy } from './hierarchy.js';

/** The hierarchy as the admin API shows it. */
export function describeHierarchy(hierarchy: Hierarchy): HierarchyDescription {
  return {
    trustBundleVersion: hierarchy.trustBundle.version,
    caFingerprint: hierarchy.rootFingerprint,
    authorities: hierarchy.all.map(describeAuthority),
  };
}

/** The trust bundle as the admin API shows it. */
export function describeTrustBundle(hierarchy: Hierarchy): TrustBundle {
  const { version, roots, issuing, retiring } = hierarchy.trustBundle;
  return { version, roots: roots.map(toPem), issuing: issuing.map(toPem), retiring: retiring.map(toPem) };
}

function describeAuthority({ record, certificate }: Authority): AuthorityDescription {
  const { id, purpose, state, activatesAt, keyName } = record;
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
    hasKey: keyName !== undefined,
  };
}

function toPem({ der }: Certificate): string {
  return pemFromDer('CERTIFICATE', der);
}
