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

interface Life {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A certificate hierarchy for one test: root, issuing CA, leaves. */
export class TestSite {
  readonly root: Certificate;
  readonly issuing: Certificate;
  private readonly issuingKey = newKey();
  private readonly rootKey = newKey();

  constructor(private readonly name: string) {
    const { rootKey } = this;
    const common = {
      organization: name,
      notBefore: new Date(Date.now() - day),
      notAfter: new Date(Date.now() + 365 * day),
    };
    const rootDer = issueRootCertificate({
      privateKey: rootKey,
      publicKey: createPublicKey(rootKey),
      commonName: `${name} root`,
      ...common,
    });
    this.root = parseCertificate(rootDer);
    const issuingDer = issueCaCertificate({
      issuer: this.root,
      issuerKey: rootKey,
      publicKey: createPublicKey(this.issuingKey),
      commonName: `${name} issuing`,
      ...common,
    });
    this.issuing = parseCertificate(issuingDer);
  }

  /** Another certificate of the issuing CA of a site, by the root of this one. */
  crossCertify(site: TestSite): Certificate {
    const { notBefore, notAfter } = site.issuing;
    const der = issueCaCertificate({
      issuer: this.root,
      issuerKey: this.rootKey,
      publicKey: createPublicKey(site.issuingKey),
      commonName: `${site.name} issuing`,
      organization: site.name,
      notBefore,
      notAfter,
    });
    return parseCertificate(der);
  }

  get rootPem(): string {
    return pemOf(this.root);
  }

  /** Certificate, its intermediate and key of a server; valid for 30 days unless told otherwise. */
  issueServer(subjectAltNames: readonly SubjectAltName[], life = lifeOf(30)): { certPem: string; keyPem: string } {
    const key = newKey();
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
    const profile = certificateProfiles.server;
    const issuer = new LeafIssuer({ issuer: this.issuing, privateKey: this.issuingKey, profile });
    const { certificate } = issuer.issue({ subject: { commonName: 'localhost' }, spki, subjectAltNames, ...life });
    const keyPem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    return { certPem: pemOf(certificate) + pemOf(this.issuing), keyPem };
  }

  /** Signs the CSR of a device, under the name it asks for or another one; valid for 90 days unless told otherwise. */
  issueDevice(csrDer: Buffer, as?: string, life = lifeOf(90)): Certificate {
    const { spki, subject } = parseCertificateRequest(csrDer);
    const id = deviceId.parse(as ?? subject.commonNames[0]);
    const profile = certificateProfiles.device;
    const issuer = new LeafIssuer({ issuer: this.issuing, privateKey: this.issuingKey, profile });
    const subjectAltNames = [identityUri({ kind: 'device', deviceId: id })];
    return issuer.issue({ subject: { commonName: id }, spki, subjectAltNames, ...life }).certificate;
  }
}

function pemOf({ der }: Certificate): string {
  return pemFromDer('CERTIFICATE', der);
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function lifeOf(days: number): Life {
  return { notBefore: new Date(Date.now() - 300_000), notAfter: new Date(Date.now() + days * day) };
}
