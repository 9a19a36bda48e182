import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { deviceId } from '@sallyport/protocol';
import {
  type Certificate,
  type CertificateProfile,
  certificateProfiles,
  identityUri,
  issueCaCertificate,
  issueRootCertificate,
  LeafIssuer,
  type LeafRequest,
  parseCertificate,
  type SubjectAltName,
  validityOf,
} from './index.js';

/** The time of the tests. */
export const now = new Date('2026-11-22T12:00:00Z');

/** A certificate with its private key. */
export interface Identity {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

/** A new key pair on a named curve. */
export function ecKeyPair(namedCurve = 'P-256') {
  return generateKeyPairSync('ec', { namedCurve });
}

/** SubjectPublicKeyInfo of a key, in DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

function yearsAfter(date: Date, years: number): Date {
  const later = new Date(date);
  later.setUTCFullYear(date.getUTCFullYear() + years);
  return later;
}

/** A root that is valid for 20 years. */
export function makeRoot(keys = ecKeyPair('P-384'), notBefore = new Date('2026-01-01T00:00:00Z')): Identity {
  const der = issueRootCertificate({
    ...keys,
    commonName: 'Test Root G1',
    organization: 'Test',
    notBefore,
    notAfter: yearsAfter(notBefore, 20),
  });
  return { certificate: parseCertificate(der), privateKey: keys.privateKey };
}

/** An issuing CA below a root, for its first five years. */
export function makeIssuing(root: Identity, keys = ecKeyPair()): Identity {
  const der = issueCaCertificate({
    issuer: root.certificate,
    issuerKey: root.privateKey,
    publicKey: keys.publicKey,
    commonName: 'Test Issuing G1-a',
    organization: 'Test',
    notBefore: root.certificate.notBefore,
    notAfter: yearsAfter(root.certificate.notBefore, 5),
    crlUrl: 'http://ca.test/root.crl',
    caIssuersUrl: 'http://ca.test/root.cer',
  });
  return { certificate: parseCertificate(der), privateKey: keys.privateKey };
}

/** An issuer of one profile that publishes a CRL and its own certificate. */
export function leafIssuer(issuing: Identity, profile: CertificateProfile = certificateProfiles.device): LeafIssuer {
  return new LeafIssuer({
    issuer: issuing.certificate,
    privateKey: issuing.privateKey,
    profile,
    crlUrl: 'http://ca.test/issuing.crl',
    caIssuersUrl: 'http://ca.test/issuing.cer',
  });
}

/** The device of the tests. */
export const child01 = deviceId.parse('child01');
/** The identity of this device. */
export const child01Uri: SubjectAltName = identityUri({ kind: 'device', deviceId: child01 });

/** The leaf of device `child01`, unless a test changes it: 90 days, and its identity URI. */
export function leafRequest(changes: Partial<LeafRequest> = {}): LeafRequest {
  return {
    subject: { commonName: 'child01', organization: 'Test' },
    spki: spkiOf(ecKeyPair().publicKey),
    subjectAltNames: [child01Uri],
    notBefore: new Date('2026-11-22T11:55:00Z'),
    notAfter: new Date('2027-02-20T12:00:00Z'),
    ...changes,
  };
}

/** A complete hierarchy with one device, whose certificate is issued at this time. */
export function makeSite(moment = now) {
  const root = makeRoot(ecKeyPair('P-384'), yearsAfter(moment, -1));
  const issuing = makeIssuing(root);
  const keys = ecKeyPair();
  const validity = validityOf(certificateProfiles.device, moment);
  const leaf = leafIssuer(issuing).issue(leafRequest({ spki: spkiOf(keys.publicKey), ...validity }));
  return { root, issuing, device: { certificate: leaf.certificate, privateKey: keys.privateKey } };
}

/** Runs an action that must throw, and returns the error. */
export function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
