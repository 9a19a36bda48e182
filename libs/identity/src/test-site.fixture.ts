import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { deviceId } from '@sallyport/protocol';
import {
  type Certificate,
  certificateProfiles,
  identityUri,
  issueCaCertificate,
  issueRootCertificate,
  LeafIssuer,
  parseCertificate,
  parseCertificateRequest,
  pemFromDer,
  type SubjectAltName,
} from '@sallyport/x509';

const day = 86_400_000;

/** A certificate hierarchy for one test: root, issuing CA, leaves. */
export interface TestSite {
  readonly root: Certificate;
  readonly rootPem: string;
  readonly issuing: Certificate;
  issueServer(
    hosts: readonly SubjectAltName[],
    life?: { notBefore: Date; notAfter: Date },
  ): { certPem: string; keyPem: string };
  issueDevice(csrDer: Buffer, name?: string): Certificate;
}

export function testSite(name: string): TestSite {
  const [rootKey, issuingKey] = [newKey(), newKey()];
  const life = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 365 * day) };
  const root = parseCertificate(
    issueRootCertificate({
      privateKey: rootKey,
      publicKey: createPublicKey(rootKey),
      commonName: `${name} root`,
      organization: name,
      ...life,
    }),
  );
  const issuing = parseCertificate(
    issueCaCertificate({
      issuer: root,
      issuerKey: rootKey,
      publicKey: createPublicKey(issuingKey),
      commonName: `${name} issuing`,
      organization: name,
      ...life,
    }),
  );
  const pem = (certificate: Certificate) => pemFromDer('CERTIFICATE', certificate.der);
  return {
    root,
    rootPem: pem(root),
    issuing,
    issueServer: (subjectAltNames, serverLife = recently(30)) => {
      const key = newKey();
      const issuer = new LeafIssuer({ issuer: issuing, privateKey: issuingKey, profile: certificateProfiles.server });
      const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
      const { certificate } = issuer.issue({
        subject: { commonName: 'localhost' },
        spki,
        subjectAltNames,
        ...serverLife,
      });
      return {
        certPem: pem(certificate) + pem(issuing),
        keyPem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
      };
    },
    issueDevice: (csrDer, as) => {
      const { spki, subject } = parseCertificateRequest(csrDer);
      const id = deviceId.parse(as ?? subject.commonNames[0]);
      const issuer = new LeafIssuer({ issuer: issuing, privateKey: issuingKey, profile: certificateProfiles.device });
      const subjectAltNames = [identityUri({ kind: 'device', deviceId: id })];
      return issuer.issue({ subject: { commonName: id }, spki, subjectAltNames, ...recently(90) }).certificate;
    },
  };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function recently(days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 300_000), notAfter: new Date(Date.now() + days * day) };
}
