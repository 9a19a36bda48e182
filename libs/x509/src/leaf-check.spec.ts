import { generateKeyPairSync } from 'node:crypto';
import { serialNumber } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import {
  ecKeyPair,
  leafIssuer,
  leafRequest,
  makeIssuing,
  makeRoot,
  makeSite,
  now,
  spkiOf,
} from './authority.fixture.js';
import { certificateDocument } from './documents.js';
import {
  type Certificate,
  certificateProfiles,
  checkLeaf as judgeLeaf,
  parseCertificate,
  selfSignedDeviceCertificate,
} from './index.js';
import { readPublicKeyInfo } from './public-key.js';
import { keyFault } from './request/key-quality.js';

const checkLeaf = (...given: Parameters<typeof judgeLeaf>) => judgeLeaf(...given).fault;

const { device, issuing } = makeSite();
const leaf = device.certificate;
const named = (...commonNames: string[]): Certificate => ({ ...leaf, subject: { ...leaf.subject, commonNames } });
const after = (date: Date, seconds: number) => new Date(date.getTime() + seconds * 1000);

describe('judging a leaf a peer presented', () => {
  it('finds nothing wrong with a device certificate of this site', () => {
    expect(checkLeaf(leaf, { now })).toBeUndefined();
  });

  it('calls the certificate a thin-edge device signs for its cloud one of a CA, because it is', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = selfSignedDeviceCertificate({ privateKey, commonName: 'gw', notBefore: now, notAfter: after(now, 60) });
    expect(checkLeaf(parseCertificate(der), { now })).toBe('leaf-is-ca');
  });

  it.each([
    ['RSA with 1024 bits', { type: 'rsa', bits: 1024 }],
    ['a curve below P-256', { type: 'ec', curve: 'P-192' }],
    ['spelled-out curve parameters', { type: 'ec', curve: 'explicit' }],
    ['DSA', { type: 'other', oid: '1.2.840.10040.4.1' }],
  ] as const)('calls a key weak that is %s', (_case, key) => {
    expect(checkLeaf({ ...leaf, key })).toBe('weak-key');
  });

  it('calls an RSA key weak whose exponent is 1, because everybody can sign with it', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const spki = spkiOf(publicKey);
    const good = leafIssuer(issuing).issue(leafRequest({ spki })).certificate;
    expect(checkLeaf(good)).toBeUndefined();
    const exponent = spki.subarray(-5);
    expect(exponent.toString('hex')).toBe('0203010001');
    const trivial = Buffer.from(spki);
    trivial.writeUIntBE(3, trivial.length - 3, 3);
    expect(() => checkLeaf({ ...good, spki: trivial })).toThrow('is an integer that is not in its shortest form');
    trivial.writeUIntBE(0x010000, trivial.length - 3, 3);
    expect(checkLeaf({ ...good, spki: trivial })).toBe('weak-key');
  });

  it.each(['sha1WithRSAEncryption', 'md5WithRSAEncryption', 'ecdsa-with-SHA1', 'rsassaPss-SHA1', '1.2.3.4'])(
    'calls the signature %s weak',
    (signatureAlgorithm) => {
      expect(checkLeaf({ ...leaf, signatureAlgorithm })).toBe('weak-signature');
    },
  );

  it.each([
    ['name-missing', []],
    ['name-ambiguous', ['one', 'two']],
    ['name-invalid', ['a/b']],
    ['name-invalid', ['a+b']],
    ['name-invalid', ['#']],
    ['name-invalid', ['a b']],
    ['name-invalid', ['a\nb']],
    ['name-invalid', ['..']],
    ['name-invalid', ['x'.repeat(65)]],
    ['name-invalid', ['a\u202eb']],
  ] as const)('answers %s to the common names %j', (reason, commonNames) => {
    expect(checkLeaf(named(...commonNames))).toBe(reason);
  });

  it.each([
    ['serverAuth only', { extendedKeyUsages: ['serverAuth'] }],
    ['codeSigning only', { extendedKeyUsages: ['codeSigning'] }],
    ['keyEncipherment only', { keyUsages: ['keyEncipherment'] }],
  ])('answers wrong-purpose to a certificate for %s', (_case, usages) => {
    expect(checkLeaf({ ...leaf, ...usages })).toBe('wrong-purpose');
  });

  it('takes anyExtendedKeyUsage, and a certificate that does not restrict its use', () => {
    expect(checkLeaf({ ...leaf, extendedKeyUsages: ['anyExtendedKeyUsage'] })).toBeUndefined();
    const { keyUsages, extendedKeyUsages, ...unrestricted } = leaf;
    expect(checkLeaf(unrestricted)).toBeUndefined();
  });

  it.each([
    ['CA:TRUE', { isCa: true }],
    ['key usage keyCertSign', { keyUsages: ['digitalSignature', 'keyCertSign'] }],
  ])('answers leaf-is-ca to a leaf with %s', (_case, more) => {
    expect(checkLeaf({ ...leaf, ...more })).toBe('leaf-is-ca');
  });

  it('answers certificate-malformed to the serial number 0', () => {
    expect(checkLeaf({ ...leaf, serialNumber: serialNumber.parse('00') })).toBe('certificate-malformed');
  });

  it('takes P-521 and the RSA exponent 3, which are not enrolled', () => {
    const p521 = ecKeyPair('P-521').publicKey;
    const odd = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey;
    for (const spki of [spkiOf(p521), spkiOf(odd)]) {
      const { key } = readPublicKeyInfo(spki, certificateDocument);
      expect(checkLeaf({ ...leaf, spki, key })).toBeUndefined();
      expect(keyFault(spki)).toBeDefined();
    }
  });

  it('answers chain-invalid to a critical extension nobody here processes', () => {
    expect(checkLeaf({ ...leaf, unknownCriticalExtensions: ['1.2.3.4'] })).toBe('chain-invalid');
  });

  it('counts the last second as inside, and lets a clock be five minutes behind', () => {
    const at = (moment: Date) => checkLeaf(leaf, { now: moment });
    expect(at(leaf.notAfter)).toBeUndefined();
    expect(at(after(leaf.notAfter, 1))).toBe('certificate-expired');
    expect(at(after(leaf.notBefore, -300))).toBeUndefined();
    expect(at(after(leaf.notBefore, -301))).toBe('certificate-not-yet-valid');
    expect(checkLeaf(leaf)).toBeUndefined();
  });

  it('refuses a server certificate of this site as a client', () => {
    const issuer = leafIssuer(makeIssuing(makeRoot()), certificateProfiles.server);
    const { certificate } = issuer.issue(leafRequest({ subjectAltNames: [{ type: 'dns', value: 'localhost' }] }));
    expect(checkLeaf(certificate, { now })).toBe('wrong-purpose');
  });
});
