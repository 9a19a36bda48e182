import { altNameFault } from '../alt-name-rules.js';
import type { TbsCertificate } from '../certificate.js';
import type { Extension } from '../extensions.js';
import { keyIdentifierOf } from '../issuance/tbs-certificate.js';
import { oids } from '../oids.js';
import type { LintRule } from './finding.js';

/** Rules about extensions other than names (RFC 5280 §4.2). */
export const extensionRules: readonly LintRule[] = [
  {
    rule: 'defaults-omitted',
    severity: 'error',
    source: 'X.690 §11.5',
    check: ({ extensions }) => {
      const spelledOut = extensions.find(({ encodesDefault }) => encodesDefault);
      return spelledOut && `spells out that extension ${spelledOut.oid} is not critical`;
    },
  },
  {
    rule: 'critical-extensions-known',
    severity: 'error',
    source: 'RFC 5280 §4.2',
    check: ({ unknownCriticalExtensions: [unknown] }) => unknown && `has the unknown critical extension ${unknown}`,
  },
  {
    rule: 'criticality',
    severity: 'error',
    source: 'RFC 5280 §4.2.1',
    check: criticalityFault,
  },
  {
    rule: 'key-usage-critical',
    severity: 'warning',
    source: 'RFC 5280 §4.2.1.3',
    check: ({ extensions }) =>
      extensionOf(extensions, oids.keyUsage)?.critical === false ? 'does not mark its key usage critical' : undefined,
  },
  {
    rule: 'basic-constraints',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.9',
    check: ({ isCa, pathLength, extensions }) => {
      if (!isCa && pathLength !== undefined) return 'has a path length without being of a CA';
      const encoded = extensionOf(extensions, oids.basicConstraints)?.value;
      return !isCa && encoded !== undefined && encoded.length > 2 ? 'spells out that it is not of a CA' : undefined;
    },
  },
  {
    rule: 'ca-key-usage',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.3',
    check: ({ isCa, keyUsages }) => {
      const maySignCertificates = keyUsages?.includes('keyCertSign') ?? false;
      if (isCa && !maySignCertificates) return 'is of a CA without the key usage keyCertSign';
      return !isCa && maySignCertificates ? 'has the key usage keyCertSign without being of a CA' : undefined;
    },
  },
  {
    rule: 'key-usage-fits-key',
    severity: 'error',
    source: 'RFC 8813 §3, RFC 8410 §5',
    check: keyUsageFault,
  },
  {
    rule: 'key-usage-encoding',
    severity: 'error',
    source: 'X.690 §11.2.2',
    check: keyUsageEncodingFault,
  },
  {
    rule: 'subject-key-identifier',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.2',
    check: ({ isCa, subjectKeyIdentifier }) =>
      isCa && subjectKeyIdentifier === undefined ? 'is of a CA without a subject key identifier' : undefined,
  },
  {
    rule: 'subject-key-identifier-method',
    severity: 'warning',
    source: 'RFC 5280 §4.2.1.2 method 1',
    check: ({ subjectKeyIdentifier, spki }) =>
      subjectKeyIdentifier === undefined || subjectKeyIdentifier === keyIdentifierOf(spki).toString('hex')
        ? undefined
        : 'has a subject key identifier that is not the SHA-1 of its key',
  },
  {
    rule: 'authority-key-identifier',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.1',
    check: ({ authorityKeyIdentifier }, issuer) =>
      issuer?.subjectKeyIdentifier === undefined || authorityKeyIdentifier === issuer.subjectKeyIdentifier
        ? undefined
        : 'does not name the key of its issuer',
  },
  {
    rule: 'revocation-urls',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.13, §4.2.2.1',
    check: ({ crlDistributionPoints, caIssuers }) => {
      const wrong = [...crlDistributionPoints, ...caIssuers].find((url) => !isPlainHttp(url));
      return wrong && `points to ${wrong}, which is not a plain http URL`;
    },
  },
  {
    rule: 'no-revocation-available',
    severity: 'error',
    source: 'RFC 9608 §2 and §3',
    check: ({ isCa, extensions, crlDistributionPoints }) => {
      if (extensionOf(extensions, oids.noRevAvail) === undefined) return undefined;
      if (isCa) return 'is of a CA and says that it cannot be revoked';
      return crlDistributionPoints.length > 0 ? 'names a CRL and says that there is none' : undefined;
    },
  },
];

function extensionOf(extensions: readonly Extension[], oid: string): Extension | undefined {
  return extensions.find((extension) => extension.oid === oid);
}

const neverCritical: ReadonlySet<string> = new Set([
  oids.subjectKeyIdentifier,
  oids.authorityKeyIdentifier,
  oids.authorityInfoAccess,
  oids.noRevAvail,
]);

function criticalityFault({ isCa, extensions }: TbsCertificate): string | undefined {
  for (const { oid, critical } of extensions) {
    if (critical && neverCritical.has(oid)) return `marks extension ${oid} critical`;
    if (!critical && oid === oids.basicConstraints && isCa) return 'does not mark its CA flag critical';
  }
  return undefined;
}

/** EC and Ed25519 keys cannot encrypt. EC keys of OCF devices may agree on keys; Ed25519 keys only sign. */
function keyUsageFault({ key, keyUsages = [], extendedKeyUsages = [] }: TbsCertificate): string | undefined {
  if (key.type !== 'ec' && key.type !== 'ed25519') return undefined;
  const mayAgree = key.type === 'ec' && extendedKeyUsages.includes(oids.ocfIdentity);
  const wrong = keyUsages.find(
    (usage) =>
      /^(?:key|data)Encipherment$|^(?:en|de)cipherOnly$/.test(usage) || (usage === 'keyAgreement' && !mayAgree),
  );
  return wrong && `has the key usage ${wrong}, which its key cannot serve`;
}

/** A named bit list ends with its last set bit, and at least one is set. */
function keyUsageEncodingFault({ extensions }: TbsCertificate): string | undefined {
  const encoded = extensionOf(extensions, oids.keyUsage)?.value;
  if (encoded === undefined) return undefined;
  const unused = encoded[2] ?? 0;
  const last = encoded.at(-1) ?? 0;
  return encoded.length > 3 && ((last >> unused) & 1) === 1
    ? undefined
    : 'has a key usage without set bits, or with zeros after the last';
}

function isPlainHttp(url: string): boolean {
  return (
    url.startsWith('http://') && altNameFault({ type: 'uri', value: url }, { permitsWildcard: false }) === undefined
  );
}
