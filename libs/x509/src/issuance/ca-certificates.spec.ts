import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ecKeyPair, makeIssuing, makeRoot, makeSite, now, thrownBy } from '../authority.fixture.js';
import {
  issueCaCertificate,
  issueRootCertificate,
  lintCertificate,
  parseCertificate,
  selfSignedDeviceCertificate,
  verifySignedBy,
} from '../index.js';

const validity = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2046-01-01T00:00:00Z') };

describe('a root certificate', () => {
  it('signs itself, has no path length, and is for signing certificates and CRLs only', () => {
    const { certificate } = makeRoot();
    expect(certificate).toMatchObject({
      version: 3,
      signatureAlgorithm: 'ecdsa-with-SHA384',
      isCa: true,
      keyUsages: ['keyCertSign', 'cRLSign'],
      subjectAltNames: [],
    });
    expect(certificate.pathLength).toBeUndefined();
    expect(certificate.extendedKeyUsages).toBeUndefined();
    expect(certificate.authorityKeyIdentifier).toBeUndefined();
    expect(certificate.subject.text).toBe('CN=Test Root G1,O=Test');
    expect(verifySignedBy(certificate, certificate)).toBe(true);
    expect(lintCertificate(certificate)).toEqual([]);
  });

  it.each([
    ['Ed25519', generateKeyPairSync('ed25519'), 'Ed25519'],
    ['P-256', ecKeyPair(), 'ecdsa-with-SHA256'],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256WithRSAEncryption'],
  ])('may have a key of type %s', (_type, keys, signatureAlgorithm) => {
    const certificate = parseCertificate(issueRootCertificate({ ...keys, commonName: 'R', ...validity }));
    expect(certificate.signatureAlgorithm).toBe(signatureAlgorithm);
    expect(verifySignedBy(certificate, certificate)).toBe(true);
  });

  it('is not made with a key that is too weak', () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 1024 });
    expect(thrownBy(() => issueRootCertificate({ ...keys, commonName: 'R', ...validity }))).toMatchObject({
      type: 'csr-rejected',
      extensions: { rules: ['key-strength'] },
    });
  });
});

describe('an issuing CA certificate', () => {
  it('has path length 0, is for TLS leaves only, and names the key of its issuer', () => {
    const root = makeRoot();
    const { certificate } = makeIssuing(root);
    expect(certificate).toMatchObject({
      isCa: true,
      pathLength: 0,
      keyUsages: ['keyCertSign', 'cRLSign'],
      extendedKeyUsages: ['serverAuth', 'clientAuth'],
      authorityKeyIdentifier: root.certificate.subjectKeyIdentifier,
      crlDistributionPoints: ['http://ca.test/root.crl'],
      caIssuers: ['http://ca.test/root.cer'],
    });
    expect(lintCertificate(certificate, root.certificate)).toEqual([]);
  });

  it('is cut to the life of its issuer at both ends', () => {
    const root = makeRoot();
    const der = issueCaCertificate({
      issuer: root.certificate,
      issuerKey: root.privateKey,
      publicKey: ecKeyPair().publicKey,
      commonName: 'I',
      notBefore: new Date('2025-12-31T23:55:00Z'),
      notAfter: new Date('2049-01-01T00:00:00Z'),
    });
    expect(parseCertificate(der)).toMatchObject({
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('2046-01-01T00:00:00Z'),
    });
  });

  it('is not made by a key that does not pair with the issuer, nor by a leaf', () => {
    const { root, device } = makeSite();
    const options = { publicKey: ecKeyPair().publicKey, commonName: 'I', ...validity };
    expect(() =>
      issueCaCertificate({ ...options, issuer: root.certificate, issuerKey: ecKeyPair().privateKey }),
    ).toThrow('does not belong to the certificate');
    expect(() => issueCaCertificate({ ...options, issuer: device.certificate, issuerKey: device.privateKey })).toThrow(
      'it is not a CA certificate',
    );
  });
});

describe('the certificate a device signs for itself', () => {
  it('says CA:TRUE without a path length and has no other extension, as clouds expect', () => {
    const der = selfSignedDeviceCertificate({
      privateKey: ecKeyPair().privateKey,
      commonName: 'my-device',
      organization: 'Thin Edge',
      organizationalUnit: 'Test Device',
      notBefore: now,
      notAfter: new Date('2027-11-22T12:00:00Z'),
    });
    const certificate = parseCertificate(der);
    expect(certificate.subject.text).toBe('OU=Test Device,O=Thin Edge,CN=my-device');
    expect(certificate.subject.textInOrder).toBe('CN=my-device, O=Thin Edge, OU=Test Device');
    expect(certificate.issuer.der).toEqual(certificate.subject.der);
    expect(certificate.isCa).toBe(true);
    expect(certificate.pathLength).toBeUndefined();
    expect(certificate.extensions).toHaveLength(1);
    expect(verifySignedBy(certificate, certificate)).toBe(true);
  });
});
