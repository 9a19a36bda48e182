import type { TbsCertificate } from '../certificate.js';
import { DerReader } from '../der/reader.js';
import { contextConstructed, tags } from '../der/tags.js';
import { certificateDocument } from '../documents.js';
import { isStrongSignature, signatureFault } from '../signature.js';
import type { LintRule } from './finding.js';

const year2050 = Date.UTC(2050, 0);

/** Rules about the basic fields (RFC 5280 §4.1). */
export const fieldRules: readonly LintRule[] = [
  {
    rule: 'version-3',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.1',
    check: ({ version }) => (version === 3 ? undefined : `is of version ${version}, not 3`),
  },
  {
    rule: 'serial-number-positive',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.2',
    check: ({ serialNumber }) => (/^0+$/.test(serialNumber) ? 'has the serial number 0' : undefined),
  },
  {
    rule: 'serial-number-entropy',
    severity: 'warning',
    source: 'CA/Browser Forum BR §7.1',
    check: ({ serialNumber }) =>
      serialNumber.length < 16 ? 'has a serial number of less than 64 bits, which can be guessed' : undefined,
  },
  {
    rule: 'signature-algorithm',
    severity: 'error',
    source: 'RFC 8446 §4.2.3',
    check: ({ signatureAlgorithm }) =>
      isStrongSignature(signatureAlgorithm) ? undefined : `is signed with ${signatureAlgorithm}`,
  },
  {
    rule: 'signature-fits-issuer-key',
    severity: 'error',
    source: 'RFC 5280 §4.1.1.2',
    check: ({ signatureAlgorithm }, issuer) => issuer && signatureFault(signatureAlgorithm, issuer.key),
  },
  {
    rule: 'issuer-name',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.4',
    check: ({ issuer: name }, issuer) =>
      issuer === undefined || name.der.equals(issuer.subject.der)
        ? undefined
        : 'does not hold the subject of its issuer byte for byte',
  },
  {
    rule: 'validity-order',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.5',
    check: ({ notBefore, notAfter }) => (notBefore <= notAfter ? undefined : 'ends before it begins'),
  },
  {
    rule: 'validity-inside-issuer',
    severity: 'error',
    source: 'RFC 5280 §6.1, shell model',
    check: ({ notBefore, notAfter }, issuer) =>
      issuer === undefined || (notBefore >= issuer.notBefore && notAfter <= issuer.notAfter)
        ? undefined
        : 'is valid at a time its issuer is not',
  },
  {
    rule: 'validity-encoding',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.5',
    check: validityEncodingFault,
  },
  {
    rule: 'key-strength',
    severity: 'error',
    source: 'NIST SP 800-57',
    check: keyStrengthFault,
  },
];

/**
 * UTCTime through the year 2049, GeneralizedTime from 2050 on. The parsed dates do not show this, so we read the tags.
 */
function validityEncodingFault(certificate: TbsCertificate): string | undefined {
  const reader = new DerReader(certificate.tbsCertificate, certificateDocument);
  reader.enter(tags.sequence);
  if (reader.nextTag === contextConstructed(0)) reader.skip();
  for (const tag of [tags.integer, tags.sequence, tags.sequence]) reader.skip(tag);
  reader.enter(tags.sequence);
  for (const moment of [certificate.notBefore, certificate.notAfter]) {
    if (reader.nextTag !== (moment.getTime() < year2050 ? tags.utcTime : tags.generalizedTime))
      return `encodes ${moment.toISOString()} in the wrong time type`;
    reader.skip();
  }
  return undefined;
}

function keyStrengthFault({ key }: TbsCertificate): string | undefined {
  switch (key.type) {
    case 'rsa':
      return key.bits >= 2048 ? undefined : `has an RSA key of ${key.bits} bits`;
    case 'ec':
      return /^P-(?:256|384|521)$/.test(key.curve) ? undefined : `has an EC key on the curve ${key.curve}`;
    case 'ed25519':
      return undefined;
    case 'other':
      return `has a key of the type ${key.oid}`;
    default:
      return key satisfies never;
  }
}
