import { sign } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { ecKeyPair, leafIssuer, leafRequest, makeIssuing, makeRoot, makeSite, thrownBy } from './authority.fixture.js';
import { oid } from './der/oid.js';
import { DerReader } from './der/reader.js';
import { contextConstructed, tags } from './der/tags.js';
import { bitString, nullValue, sequence, tlv } from './der/writer.js';
import { certificateDocument } from './documents.js';
import { derFromPem, parseCertificate, verifySignedBy } from './index.js';
import { oids } from './oids.js';
import { vector } from './vectors.fixture.js';

const certificateOf = (path: string) => {
  const content = vector(path);
  const [der = content] = derFromPem(content.toString('latin1'), /CERTIFICATE$/);
  return der;
};

/** The elements inside a SEQUENCE. */
function elementsOf(der: Buffer): Buffer[] {
  const reader = new DerReader(der, certificateDocument);
  const elements: Buffer[] = [];
  reader.enter(tags.sequence);
  while (!reader.isAtEnd) elements.push(reader.readElement());
  return elements;
}

describe('parsing a certificate (RFC 5280 §4.1)', () => {
  it('reads every field of a certificate made elsewhere', () => {
    const certificate = parseCertificate(certificateOf('x509/cryptography.io.pem'));
    expect(certificate).toMatchObject({
      version: 3,
      serialNumber: '3f20',
      signatureAlgorithm: 'sha256WithRSAEncryption',
      notBefore: new Date('2014-10-15T12:09:32Z'),
      notAfter: new Date('2018-11-16T01:15:03Z'),
      key: { type: 'rsa', bits: 4096 },
      isCa: false,
      keyUsages: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsages: ['serverAuth', 'clientAuth'],
      subjectAltNames: [
        { type: 'dns', value: 'www.cryptography.io' },
        { type: 'dns', value: 'cryptography.io' },
      ],
      crlDistributionPoints: ['http://gv.symcb.com/gv.crl'],
      caIssuers: ['http://gv.symcb.com/gv.crt'],
      authorityKeyIdentifier: 'c39cf3fcd3460834bbce467fa07c5bf3e208cb59',
      unknownCriticalExtensions: [],
      fingerprint: 'dc4f4d1400d4526052b5da693394dc8560b29cc21df90b9e2ec7416261c73888',
      fingerprintSha1: '973ceba25ef865f9d802b0e727555b9c4fc65188',
    });
    expect(certificate.subject.commonNames).toEqual(['www.cryptography.io']);
    expect(certificate.issuer.text).toBe('CN=RapidSSL SHA256 CA - G3,O=GeoTrust Inc.,C=US');
  });

  it('reads a certificate of version 1, which has no extensions', () => {
    const root = parseCertificate(certificateOf('x509/verisign_md2_root.pem'));
    expect(root).toMatchObject({ version: 1, signatureAlgorithm: 'md2WithRSAEncryption', isCa: false, extensions: [] });
    expect(root.keyUsages).toBeUndefined();
  });

  it('takes no ECDSA signature for the RSA-PSS one it is called', () => {
    const { root, issuing } = makeSite();
    const hash = tlv(contextConstructed(0), sequence(oid(oids.sha256), nullValue()));
    const pss = sequence(oid(oids.rsassaPss), sequence(hash));
    const fields = elementsOf(issuing.certificate.tbsCertificate).with(2, pss);
    const content = sequence(...fields);
    const signature = sign('sha256', content, root.privateKey);
    const forged = parseCertificate(sequence(content, pss, bitString(signature)));
    expect(forged.signatureAlgorithm).toBe('rsassaPss-SHA256');
    expect(verifySignedBy(forged, root.certificate)).toBe(false);
  });

  it('says which critical extensions nobody here processes', () => {
    expect(parseCertificate(certificateOf('x509/custom/unsupported_extension_critical.pem'))).toMatchObject({
      unknownCriticalExtensions: ['1.2.3.4'],
    });
    expect(parseCertificate(certificateOf('x509/custom/unsupported_extension.pem'))).toMatchObject({
      unknownCriticalExtensions: [],
    });
  });

  it.each([
    ['a time without seconds', 'x509/badasn1time.pem', 'is not a time in UTC to the second'],
    ['a DNS name outside ASCII', 'x509/utf8-dnsname.pem', 'of extension 2.5.29.17 holds a character outside ASCII'],
    ['two different signature algorithms', 'x509/v1_cert.pem', 'is a signature algorithm that differs'],
    ['a name that is not UTF-8', 'x509/custom/invalid_utf8_common_name.pem', 'is not valid in its encoding'],
    ['version 8', 'x509/custom/invalid_version.pem', 'is a version that is not 2 or 3'],
    ['a tag of several bytes', 'x509/custom/long-form-name-attribute.pem', 'has a tag of several bytes'],
    ['a negative serial number', 'x509/custom/negative_serial.pem', 'is a serial number that is negative'],
    ['an extension that stands twice', 'x509/custom/two_basic_constraints.pem', 'extension 2.5.29.19 twice'],
    ['no certificate around its signed part', 'x509/cryptography-scts-tbs-precert.der', 'has tag 0xa0'],
    ['a signature with unused bits', 'x509/PKITS_data/certs/BadSignedCACert.crt', 'is a bit string with unused bits'],
  ])('refuses one with %s', (_case, path, reason) => {
    const error = thrownBy(() => parseCertificate(certificateOf(path)));
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ type: 'certificate-rejected', message: expect.stringContaining(reason) });
  });

  it('refuses bytes after the certificate', () => {
    const { root } = makeSite();
    const withGarbage = Buffer.concat([root.certificate.der, Buffer.of(0)]);
    expect(() => parseCertificate(withGarbage)).toThrow('comes after the end');
  });

  it('refuses more than 64 KiB before it reads any of it', () => {
    expect(() => parseCertificate(Buffer.alloc(64 * 1024 + 1))).toThrow('it has 65537 bytes, the limit is 65536');
  });

  it('names a curve with spelled-out parameters explicit, and reads on', () => {
    expect(parseCertificate(certificateOf('x509/ecdsa_root.pem')).key).toEqual({ type: 'ec', curve: 'P-384' });
  });
});

describe('checking who signed a certificate', () => {
  it.each(['P-256', 'P-384', 'P-521'])('holds for the issuer with a key on %s and for nobody else', (curve) => {
    const root = makeRoot(ecKeyPair(curve));
    const issuing = makeIssuing(root);
    const namesake = makeRoot(ecKeyPair(curve));
    expect(verifySignedBy(issuing.certificate, root.certificate)).toBe(true);
    expect(verifySignedBy(issuing.certificate, namesake.certificate)).toBe(false);
    expect(verifySignedBy(root.certificate, issuing.certificate)).toBe(false);
  });

  it('holds for Ed25519 and RSA as OpenSSL signs with them', () => {
    for (const path of ['x509/ed25519/root-ed25519.pem', 'x509/letsencryptx3.pem']) {
      const certificate = parseCertificate(certificateOf(path));
      const isSelfSigned = path.includes('root');
      expect(verifySignedBy(certificate, certificate)).toBe(isSelfSigned);
    }
  });

  it('does not hold when the signed part was changed', () => {
    const { issuing, device } = makeSite();
    const changed = Buffer.from(device.certificate.der);
    const at = changed.indexOf('child01');
    changed.write('child02', at);
    expect(verifySignedBy(parseCertificate(changed), issuing.certificate)).toBe(false);
  });

  it('takes issuer names that differ in case and spaces only, as OpenSSL does', () => {
    const { issuing, device } = makeSite();
    const renamed = { ...issuing.certificate, subject: shouted(issuing.certificate.subject) };
    expect(verifySignedBy(device.certificate, renamed)).toBe(true);
  });

  it('does not hold for an issuer of another name', () => {
    const { root, issuing } = makeSite();
    const leaf = leafIssuer(issuing).issue(leafRequest()).certificate;
    expect(verifySignedBy(leaf, { ...issuing.certificate, subject: root.certificate.subject })).toBe(false);
  });
});

function shouted(name: ReturnType<typeof parseCertificate>['subject']) {
  const attributes = name.attributes.map((attribute) => ({ ...attribute, value: ` ${attribute.value.toUpperCase()}` }));
  return { ...name, der: sequence(), attributes };
}
