import { serialNumber } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { makeSite } from '../authority.fixture.js';
import { sequence } from '../der/writer.js';
import { type Certificate, derFromPem, lintCertificate, parseCertificate, type SubjectAltName } from '../index.js';
import { oids } from '../oids.js';
import { vector } from '../vectors.fixture.js';

const { root, issuing, device } = makeSite();
const leaf = device.certificate;
const rulesOf = (certificate: Certificate, issuer?: Certificate) =>
  lintCertificate(certificate, issuer).map(({ rule }) => rule);
const vectorRules = (path: string) => {
  const [der = Buffer.alloc(0)] = derFromPem(vector(path).toString('latin1'), 'CERTIFICATE');
  return rulesOf(parseCertificate(der));
};
const withExtension = (type: string, critical: boolean, value = sequence()) => ({
  ...leaf,
  extensions: [
    ...leaf.extensions.filter(({ oid: other }) => other !== type),
    { oid: type, critical, encodesDefault: false, value },
  ],
});
const attribute = (name: string, type: string, value: string) => ({
  ...leaf,
  subject: { ...leaf.subject, attributes: [...leaf.subject.attributes, { oid: type, name, value }] },
});

describe('linting', () => {
  it('finds nothing in what this system issues', () => {
    expect(lintCertificate(leaf, issuing.certificate)).toEqual([]);
    expect(lintCertificate(issuing.certificate, root.certificate)).toEqual([]);
    expect(lintCertificate(root.certificate)).toEqual([]);
  });

  it('says what the certificate does, so that the text ends a sentence', () => {
    expect(lintCertificate({ ...leaf, version: 1 })).toEqual([
      { rule: 'version-3', severity: 'error', text: 'is of version 1, not 3' },
    ]);
  });

  it.each<[string, Partial<Certificate>]>([
    ['serial-number-positive', { serialNumber: serialNumber.parse('00') }],
    ['signature-algorithm', { signatureAlgorithm: 'sha1WithRSAEncryption' }],
    ['validity-order', { notBefore: new Date('2027-03-01T00:00:00Z') }],
    ['validity-encoding', { notAfter: new Date('2050-01-01T00:00:00Z') }],
    ['key-strength', { key: { type: 'rsa', bits: 1024 } }],
    ['key-strength', { key: { type: 'ec', curve: 'secp256k1' } }],
    ['leaf-common-name', { subject: { ...leaf.subject, commonNames: ['a', 'b'] } }],
    ['leaf-common-name', { subject: { ...leaf.subject, commonNames: [] } }],
    ['ca-subject', { isCa: true, keyUsages: ['keyCertSign'], subject: { ...leaf.subject, attributes: [] } }],
    ['leaf-alternative-name', { subjectAltNames: [] }],
    ['alternative-name-syntax', { subjectAltNames: [{ type: 'dns', value: 'UPPER' }] }],
    ['alternative-name-unique', { subjectAltNames: twice({ type: 'dns', value: 'a' }) }],
    ['critical-extensions-known', { unknownCriticalExtensions: ['1.2.3.4'] }],
    ['basic-constraints', { pathLength: 0 }],
    ['ca-key-usage', { isCa: true }],
    ['ca-key-usage', { keyUsages: ['keyCertSign'] }],
    ['key-usage-fits-key', { keyUsages: ['digitalSignature', 'keyEncipherment'] }],
    ['key-usage-fits-key', { keyUsages: ['keyAgreement'] }],
    ['subject-key-identifier-method', { subjectKeyIdentifier: '00'.repeat(20) }],
    ['revocation-urls', { crlDistributionPoints: ['https://ca.test/crl'] }],
    ['revocation-urls', { caIssuers: ['ldap://ca.test/cn=ca'] }],
  ])('reports %s', (rule, changes) => {
    expect(rulesOf({ ...leaf, ...changes })).toContain(rule);
  });

  it.each([
    ['subject-attributes', attribute('O', oids.organizationName, 'trailing ')],
    ['subject-attributes', attribute('C', oids.countryName, 'United States')],
    ['alternative-name-critical', withExtension(oids.subjectAltName, true)],
    ['criticality', withExtension(oids.subjectKeyIdentifier, true)],
    ['criticality', withExtension(oids.noRevAvail, true)],
    ['key-usage-critical', withExtension(oids.keyUsage, false)],
    ['key-usage-encoding', withExtension(oids.keyUsage, true, Buffer.from('03020080', 'hex'))],
    ['key-usage-encoding', withExtension(oids.keyUsage, true, Buffer.from('030100', 'hex'))],
    ['no-revocation-available', withExtension(oids.noRevAvail, false)],
    ['basic-constraints', withExtension(oids.basicConstraints, true, Buffer.from('3003010100', 'hex'))],
  ])('reports %s in extensions and attributes', (rule, certificate) => {
    expect(rulesOf(certificate)).toContain(rule);
  });

  it.each<[string, Partial<Certificate>]>([
    ['issuer-name', { issuer: root.certificate.issuer }],
    ['validity-inside-issuer', { notAfter: new Date('2030-11-22T12:00:01Z') }],
    ['signature-fits-issuer-key', { signatureAlgorithm: 'sha256WithRSAEncryption' }],
    ['authority-key-identifier', { authorityKeyIdentifier: '00' }],
  ])('reports %s against the issuer', (rule, changes) => {
    expect(rulesOf({ ...leaf, ...changes }, issuing.certificate)).toEqual([rule]);
  });

  it('reports a short serial number as a warning', () => {
    const [der = Buffer.alloc(0)] = derFromPem(vector('x509/cryptography.io.pem').toString(), 'CERTIFICATE');
    expect(lintCertificate(parseCertificate(der))).toContainEqual({
      rule: 'serial-number-entropy',
      severity: 'warning',
      text: 'has a serial number of less than 64 bits, which can be guessed',
    });
  });

  it('judges certificates made elsewhere', () => {
    expect(vectorRules('x509/custom/bad_country.pem')).toContain('subject-attributes');
    expect(vectorRules('x509/custom/unsupported_extension_critical.pem')).toContain('critical-extensions-known');
    expect(vectorRules('x509/wosign-bc-invalid.pem')).toContain('basic-constraints');
  });

  it('reports an extension that spells out that it is not critical', () => {
    const extensions = leaf.extensions.map((extension) => ({ ...extension, encodesDefault: !extension.critical }));
    expect(rulesOf({ ...leaf, extensions })).toEqual(['defaults-omitted']);
  });
});

function twice(name: SubjectAltName): SubjectAltName[] {
  return [name, name];
}
