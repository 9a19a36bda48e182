import type { AuthorityPurpose } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import {
  type Certificate,
  certificateProfiles,
  issueCaCertificate,
  issueCrossCertificate,
  issueRootCertificate,
  newSerialNumber,
  parseCertificate,
  validityOf,
} from '@sallyport/x509';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { KeyStore } from '../signing-key/signing-key.js';
import { type AuthorityRecord, keyIdOf } from './authority.js';

export interface AuthorityPolicy {
  readonly organization: string;
  readonly rootValiditySeconds: number;
  readonly issuingValiditySeconds: number;
  /** Where CRLs and CA certificates are fetched, without a slash at the end. */
  readonly publicUrl: string;
}

/** A CA made here: its key is in the key store. */
export type MadeRecord = AuthorityRecord & { readonly keyName: string };

/** A root and the id of its record. */
export interface KnownRoot {
  readonly id: string;
  readonly certificate: Certificate;
}

/** What is decided about a CA before anything is signed. */
interface Design {
  readonly id: string;
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Makes CA keys and certificates. The caller stores them; only then they are in force. */
export class AuthorityMaker {
  constructor(
    private readonly keys: KeyStore,
    private readonly audit: SignerAuditLog,
    private readonly clock: Clock,
    private readonly policy: AuthorityPolicy,
  ) {}

  /** A self-signed root on P-384, because it signs little and must last long. */
  async makeRoot(generation: number): Promise<MadeRecord> {
    const design = this.design('root', generation, this.policy.rootValiditySeconds);
    const { id, ...names } = design;
    const key = await this.keys.openOrCreate(id, 'P-384');
    const serialNumber = await this.announce(design, id);
    const { publicKey, privateKey } = key;
    const { organization } = this.policy;
    const der = issueRootCertificate({ ...names, publicKey, privateKey, organization, serialNumber });
    return madeRecord('root', generation, der);
  }

  /** An issuing CA on P-256 with pathLen 0, signed by a root. It does not live longer than that root. */
  async makeIssuing(
    purpose: Exclude<AuthorityPurpose, 'root'>,
    generation: number,
    root: { readonly keyName: string; readonly certificate: Certificate },
  ): Promise<MadeRecord> {
    const design = this.design(purpose, generation, this.policy.issuingValiditySeconds);
    const { id, ...names } = design;
    const key = await this.keys.openOrCreate(id, 'P-256');
    const issuerKey = await this.keys.open(root.keyName);
    const serialNumber = await this.announce(design, root.keyName);
    const der = issueCaCertificate({
      ...names,
      issuer: root.certificate,
      issuerKey: issuerKey.privateKey,
      publicKey: key.publicKey,
      organization: this.policy.organization,
      serialNumber,
      ...publicationUrls(this.policy.publicUrl, root.certificate),
    });
    return madeRecord(purpose, generation, der);
  }

  /** Certifies the key of one root by another one, so that those who know only the other one find a way. */
  async makeCross(subject: KnownRoot, issuer: KnownRoot & { readonly keyName: string }): Promise<Certificate> {
    const { privateKey } = await this.keys.open(issuer.keyName);
    const { backdateSeconds } = certificateProfiles.root;
    const { notBefore } = validityOf({ validitySeconds: 0, backdateSeconds }, this.clock.now());
    const { notAfter } = subject.certificate;
    const serialNumber = await this.announce({ id: subject.id, notAfter }, issuer.keyName);
    const roots = { subject: subject.certificate, issuer: issuer.certificate };
    return parseCertificate(issueCrossCertificate({ ...roots, issuerKey: privateKey, notBefore, serialNumber }));
  }

  private design(purpose: AuthorityPurpose, generation: number, validitySeconds: number): Design {
    const { organization } = this.policy;
    const role = purpose === 'root' ? 'Root' : `${purpose === 'device' ? 'Device' : 'Service'} Issuing`;
    const { backdateSeconds } = certificateProfiles.issuing;
    return {
      id: authorityId(purpose, generation),
      commonName: `${organization.slice(0, longestOrganizationInName)} ${role} G${generation}`,
      ...validityOf({ validitySeconds, backdateSeconds }, this.clock.now()),
    };
  }

  /** Writes to the audit log that a CA certificate will be signed, and its serial number. */
  private async announce({ id, notAfter }: Pick<Design, 'id' | 'notAfter'>, signerId: string) {
    const serialNumber = newSerialNumber();
    const details = { signer: signerId, serialNumber, notAfter: notAfter.toISOString() };
    const intention = {
      action: 'authority-intended',
      actor: 'signer',
      subject: id,
      outcome: 'succeeded',
      details,
    } as const;
    await this.audit.commit({ entries: [intention] });
    return serialNumber;
  }
}

/** Purpose and generation, such as `device-2`. */
export function authorityId(purpose: AuthorityPurpose, generation: number): string {
  return `${purpose}-${generation}`;
}

/** The URLs of CRL and CA certificate that leaves of this CA hold. Plain HTTP, as RFC 5280 §8 advises. */
export function publicationUrls(publicUrl: string, issuer: Certificate): { crlUrl: string; caIssuersUrl: string } {
  const keyId = keyIdOf(issuer);
  return { crlUrl: `${publicUrl}/crl/${keyId}.crl`, caIssuersUrl: `${publicUrl}/ca/${keyId}.cer` };
}

// X.520 ub-common-name is 64; " Service Issuing G" and a generation of four digits take 22.
const longestOrganizationInName = 42;

function madeRecord(purpose: AuthorityPurpose, generation: number, der: Buffer): MadeRecord {
  const id = authorityId(purpose, generation);
  const certificate = der.toString('base64');
  return { id, keyName: id, purpose, generation, state: 'active', certificate, intermediates: [] };
}
