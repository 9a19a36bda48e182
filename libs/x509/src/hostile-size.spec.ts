import { performance } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { child01, ecKeyPair, spkiOf, thrownBy } from './authority.fixture.js';
import { oid } from './der/oid.js';
import { bitString, integer, octetString, sequence } from './der/writer.js';
import {
  buildCertificateRequest,
  certificateProfiles,
  checkCertificateRequest,
  derFromPem,
  parseCertificate,
  parseCertificateRequest,
  pemFromDer,
  type SubjectAltName,
} from './index.js';
import { encodeTbsCertificate } from './issuance/tbs-certificate.js';
import { encodeSubject } from './name.js';
import { signerFor } from './signature.js';

const { privateKey, publicKey } = ecKeyPair();
const signer = signerFor(privateKey);
const distinctOid = (index: number) => oid(`1.2.${index + 200}`);

function signed(content: Buffer): Buffer {
  return sequence(content, signer.algorithmIdentifier, bitString(signer.sign(content)));
}

function certificateWithExtensions(count: number): Buffer {
  const subject = encodeSubject({ commonName: 'child01' });
  const empty = octetString(Buffer.alloc(0));
  const tbsCertificate = encodeTbsCertificate({
    serialNumber: integer(1),
    signatureAlgorithm: signer.algorithmIdentifier,
    issuer: subject,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2027-01-01T00:00:00Z'),
    subject,
    spki: spkiOf(publicKey),
    extensions: Array.from({ length: count }, (_, index) => sequence(distinctOid(index), empty)),
  });
  return signed(tbsCertificate);
}

/** Milliseconds of the fastest of some runs. This is the cost of the work itself, also on a busy machine. */
function quickest(work: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return Math.min(...times);
}

describe('input made to be slow', () => {
  it('costs little when a certificate holds 7,000 different extensions', () => {
    const der = certificateWithExtensions(7_000);
    expect(parseCertificate(der).extensions).toHaveLength(7_000);
    expect(quickest(() => parseCertificate(der))).toBeLessThan(60);
  });

  it('is refused when a request asks for more than 100 names', () => {
    const judge = (count: number) => {
      const subjectAltNames = Array.from({ length: count }, (_, index): SubjectAltName => {
        return { type: 'dns', value: `host${index}` };
      });
      const der = buildCertificateRequest({ privateKey, commonName: 'child01', subjectAltNames });
      checkCertificateRequest(parseCertificateRequest(der), certificateProfiles.service, { deviceId: child01 });
    };
    expect(() => judge(100)).not.toThrow();
    expect(thrownBy(() => judge(101))).toMatchObject({
      type: 'csr-rejected',
      message: 'CSR rejected: it asks for 101 alternative names, the limit is 100.',
    });
  });

  it('is read when a PEM block has 16 MB', () => {
    const der = Buffer.alloc(12 * 1024 * 1024, 7);
    expect(derFromPem(pemFromDer('PKCS7', der), 'PKCS7')[0]?.equals(der)).toBe(true);
  });
});
