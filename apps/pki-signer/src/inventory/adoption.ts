import { certificateIssued, type DeviceId } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Outbox, Store } from '@sallyport/store';
import { authorityIdOf, type Certificate, isValidAt, peerKindOf, verifySignedBy } from '@sallyport/x509';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { Authority } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import { claimKey } from '../issuance/key-owner.js';
import { plainRequestOf } from '../issuance/requested-names.js';
import { announcementOf, type CertificateRecord } from './certificate-record.js';
import type { Inventory, StoredCertificate } from './inventory.js';
import { revocationPrefix } from './revocation.js';

export interface AdoptionOptions {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly hierarchy: Hierarchy;
  readonly audit: SignerAuditLog;
  readonly outbox: Outbox;
  readonly clock: Clock;
}

/**
 * Takes in certificates that this signer issued and does not know any more: a backup was restored on another machine, and
 * what was issued since is in no journal. The signer recognises its own signature.
 */
export class Adoption {
  constructor(private readonly options: AdoptionOptions) {}

  /**
   * Takes a certificate into the inventory, if one of our CAs has signed it. One that has ended is not taken in: it may
   * have been revoked, and both were forgotten after its end, as is right.
   *
   * @param deviceId the name that the listener has read from it
   * @returns undefined when it is none of ours, has ended, or is revoked
   * @throws Problem `csr-forbidden`: its key is blocked, or belongs to another name
   */
  async adopt(certificate: Certificate, deviceId: DeviceId, actor: string): Promise<StoredCertificate | undefined> {
    const { clock, inventory } = this.options;
    if (!isValidAt(certificate, clock.now())) return undefined;
    const authority = this.issuerOf(certificate);
    if (authority === undefined || (await this.isRevoked(certificate))) return undefined;
    await this.store(recordOf(certificate, deviceId, authority), certificate, { authority, actor });
    return inventory.get(certificate.fingerprint);
  }

  /** The CA that has signed it. A root signs no leaves. */
  issuerOf(certificate: Certificate): Authority | undefined {
    const issuing = this.options.hierarchy.all.filter(({ record }) => record.purpose !== 'root');
    return issuing.find((authority) => verifySignedBy(certificate, authority.certificate));
  }

  /** Serial numbers have 126 random bits, so they are looked up at every CA: one may have been certified twice. */
  private async isRevoked({ serialNumber }: Certificate): Promise<boolean> {
    const { hierarchy, store } = this.options;
    const keys = hierarchy.all.map(({ record }) => `${revocationPrefix(record.id)}${serialNumber}`);
    return (await Promise.all(keys.map((key) => store.get(key)))).some((entry) => entry !== undefined);
  }

  private async store(
    record: CertificateRecord,
    { spki }: Certificate,
    { authority, actor }: { readonly authority: Authority; readonly actor: string },
  ): Promise<void> {
    const { store, inventory, outbox, audit } = this.options;
    const claim = await claimKey(store, spki, record.deviceId);
    const { deviceId: subject, serialNumber, fingerprint, profile, issuer } = record;
    const issuerAuthority = authorityIdOf(authority.certificate);
    await audit.commit({
      // Another request may have taken it in meanwhile.
      compares: [claim.compare, inventory.serialIsFree(issuer, serialNumber)],
      operations: [
        claim.operation,
        ...inventory.additionOf(record),
        outbox.record(certificateIssued.topic, { ...announcementOf(record), issuerAuthority, reinstate: false }),
      ],
      entries: [
        {
          action: 'certificate-adopted',
          actor,
          subject,
          outcome: 'succeeded',
          details: { issuer, serialNumber, fingerprint, profile },
        },
      ],
    });
  }
}

function recordOf(certificate: Certificate, deviceId: DeviceId, { record: issuer, certificate: ca }: Authority) {
  const { fingerprint, serialNumber, notBefore, notAfter, der } = certificate;
  const kind = peerKindOf(certificate);
  return {
    fingerprint,
    serialNumber,
    issuer: issuer.id,
    issuerFingerprint: ca.fingerprint,
    deviceId,
    kind,
    profile: kind,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    // Nobody knows the moment. The earliest one makes a revocation of the device reach it.
    issuedAt: notBefore.toISOString(),
    certificate: der.toString('base64'),
    // The request is not known. Clients may also ask for the names of the certificate.
    requested: plainRequestOf(certificate),
  } satisfies CertificateRecord;
}
