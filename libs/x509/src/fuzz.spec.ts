import { Problem } from '@sallyport/protocol';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { child01, child01Uri, makeSite, now } from './authority.fixture.js';
import {
  buildCertificateRequest,
  buildCrl,
  certificateProfiles,
  checkCertificateRequest,
  checkLeaf,
  decodeCertsOnly,
  derFromPem,
  describeCertificate,
  encodeCertsOnly,
  exportPkcs12,
  importBundle,
  lintCertificate,
  parseCertificate,
  parseCertificateRequest,
  parseCrl,
  peerKindOf,
  pemFromDer,
  verifyPossession,
  verifySignedBy,
} from './index.js';
import { vector } from './vectors.fixture.js';

const { root, issuing, device } = makeSite();

/** One of the originals, with bytes changed, removed, doubled or inserted anywhere. */
function mutated(originals: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat(8191),
    kind: fc.nat(4),
    octet: fc.nat(255),
    length: fc.integer({ min: 1, max: 8 }),
  });
  return fc
    .tuple(fc.constantFrom(...originals), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([original, changes]) => changes.reduce(applyChange, original));
}

function applyChange(bytes: Buffer, change: { at: number; kind: number; octet: number; length: number }): Buffer {
  const at = change.at % Math.max(1, bytes.length);
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (change.kind) {
    case 0:
      return Buffer.concat([before, Buffer.of(change.octet), after.subarray(1)]);
    case 1:
      return Buffer.concat([before, Buffer.of((after[0] ?? 0) ^ (1 << (change.octet % 8))), after.subarray(1)]);
    case 2:
      return Buffer.concat([before, after.subarray(change.length)]);
    case 3:
      return Buffer.concat([before, after.subarray(0, change.length), after]);
    default:
      return Buffer.concat([before, Buffer.alloc(change.length, change.octet), after]);
  }
}

/** Returns whether the action succeeds or throws a Problem. Any other error fails the property. */
function answersOrRefuses(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof Problem) return true;
    throw error;
  }
}

const answers = (originals: readonly Buffer[], numRuns: number, read: (bytes: Buffer) => unknown) =>
  fc.assert(
    fc.property(mutated(originals), (bytes) => answersOrRefuses(() => read(bytes))),
    { numRuns },
  );

describe('whatever comes in', () => {
  it('a certificate is read or refused, and never does anything else', () => {
    const foreign = ['x509/cryptography.io.pem', 'x509/ecdsa_root.pem', 'x509/custom/all_supported_names.pem'].flatMap(
      (path) => derFromPem(vector(path).toString('latin1'), 'CERTIFICATE'),
    );
    answers([root.certificate.der, issuing.certificate.der, device.certificate.der, ...foreign], 10_000, (bytes) => {
      const certificate = parseCertificate(bytes);
      checkLeaf(certificate, { now });
      peerKindOf(certificate);
      describeCertificate(certificate, now);
      lintCertificate(certificate, issuing.certificate);
    });
  });

  it('a signature is valid or not, and never does anything else', () => {
    answers([device.certificate.der, issuing.certificate.der], 1000, (bytes) => {
      const certificate = parseCertificate(bytes);
      verifySignedBy(certificate, issuing.certificate);
      verifySignedBy(issuing.certificate, certificate);
    });
  });

  it('a request is read, proved and judged, or refused', () => {
    const own = buildCertificateRequest({
      privateKey: device.privateKey,
      commonName: child01,
      subjectAltNames: [child01Uri],
      challengePassword: 'secret',
    });
    const foreign = ['ec_sha256.der', 'rsa_sha256.der', 'dsa_sha1.der', 'challenge-multi-valued.der'];
    answers([own, ...foreign.map((name) => vector(`x509/requests/${name}`))], 5000, (bytes) => {
      const request = parseCertificateRequest(bytes);
      answersOrRefuses(() => checkCertificateRequest(request, certificateProfiles.device, { deviceId: child01 }));
      verifyPossession(request);
    });
  });

  it('a CRL is read or refused', () => {
    const options = { issuer: issuing.certificate, privateKey: issuing.privateKey, crlNumber: 1n, thisUpdate: now };
    const { serialNumber } = device.certificate;
    const own = buildCrl({
      ...options,
      nextUpdate: new Date('2026-12-01T00:00:00Z'),
      entries: [{ serialNumber, revokedAt: now, reason: 'superseded' }],
    });
    answers([own, vector('x509/PKITS_data/crls/GoodCACRL.crl')], 3000, parseCrl);
  });

  it('a PKCS #7 envelope is opened or refused', () => {
    answers([encodeCertsOnly([device.certificate.der, root.certificate.der])], 3000, decodeCertsOnly);
  });

  it('a bundle is imported or refused, PKCS #12 and PEM alike', () => {
    const { privateKey, certificate } = device;
    const pkcs12 = exportPkcs12({ privateKey, certificates: [certificate], password: 'a' });
    answers([pkcs12], 300, (bytes) => importBundle(bytes, 'a'));
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    answers([Buffer.from(pemFromDer('CERTIFICATE', certificate.der) + key)], 1000, (bytes) => importBundle(bytes));
  });

  it('random octets are refused', () => {
    const readers = [parseCertificate, parseCertificateRequest, parseCrl, decodeCertsOnly];
    const noise = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(noise, fc.constantFrom(...readers), (bytes, read) => answersOrRefuses(() => read(bytes))));
  });
});
