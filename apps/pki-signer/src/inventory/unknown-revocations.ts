import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '@sallyport/files';
import {
  certificateRevoked,
  deviceId,
  type Fingerprint,
  fingerprint,
  Problem,
  type RevocationReason,
  revocationReason,
  type SerialNumber,
  type WithdrawnCertificates,
} from '@sallyport/protocol';
import type { Clock, Log } from '@sallyport/runtime';
import type { Outbox, Store } from '@sallyport/store';
import { derFromPem, parseCrl, type RevokedEntry, verifyCrlSignedBy } from '@sallyport/x509';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { Authority } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { Inventory } from './inventory.js';
import { latestRevocationKey, type Revocation, revocationPrefix } from './revocation.js';

export interface UnknownRevocationsOptions {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly hierarchy: Hierarchy;
  readonly revocation: Revocation;
  readonly audit: SignerAuditLog;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each revocation; must return at once. */
  readonly onRevoked: () => void;
}

/** A certificate of which only this is known. */
export interface UnknownCertificate {
  readonly serialNumber: SerialNumber;
  /** CAs that may have issued it. */
  readonly issuers: readonly Authority[];
  /** When it is left out of CRLs. The end of its CA, if its own end is not known. */
  readonly notAfter?: string;
  readonly fingerprint?: Fingerprint;
}

const nobody = deviceId.parse('unknown');

/**
 * Revokes certificates that this signer issued and does not know any more, because a backup was restored. They come on
 * the CRL, and the registry refuses them from then on.
 */
export class UnknownRevocations {
  constructor(private readonly options: UnknownRevocationsOptions) {}

  /**
   * Takes in what published CRLs of this site revoke, from every file in a folder. What is revoked already is left as it
   * is, so it may be done at each start.
   *
   * @returns how many certificates were revoked
   */
  async takeInLists(folder: string, actor: string): Promise<number> {
    let count = 0;
    for (const name of await namesIn(folder))
      try {
        count += await this.takeInFile(join(folder, name), actor);
      } catch (error) {
        // The others still count, and a signer that does not start helps nobody.
        this.options.log.error({ error, name }, 'a published CRL could not be taken in');
      }
    if (count > 0) this.options.log.info({ count }, 'revocations taken in from published CRLs');
    return count;
  }

  /** Follows the registry: it names what it knows of a device that was revoked or retired. */
  async follow({ certificates, reason, changedAt }: WithdrawnCertificates): Promise<void> {
    for (const { issuerFingerprint, ...certificate } of certificates) {
      if ((await this.options.inventory.get(certificate.fingerprint)) !== undefined) continue;
      const issuers = this.options.hierarchy.all.filter((each) => each.certificate.fingerprint === issuerFingerprint);
      const entry = { reason, revokedAt: changedAt, actor: 'device-registry' };
      if (issuers.length > 0) await this.revokeUnknown({ ...certificate, issuers }, entry);
    }
  }

  private async takeInFile(path: string, actor: string): Promise<number> {
    const bytes = await readFile(path);
    const ders = bytes.includes('-----BEGIN') ? derFromPem(bytes.toString('latin1'), 'X509 CRL') : [bytes];
    let count = 0;
    for (const der of ders) count += await this.takeIn(der, actor);
    return count;
  }

  private async takeIn(der: Buffer, actor: string): Promise<number> {
    const crl = parseCrl(der);
    const issuers = this.options.hierarchy.all.filter(({ certificate }) => verifyCrlSignedBy(crl, certificate));
    if (issuers.length === 0)
      throw new Problem('invalid-request', 'A CRL to be taken in was signed by no CA of this site.');
    let count = 0;
    for (const entry of crl.entries) if (await this.revoke(entry, issuers, actor)) count += 1;
    return count;
  }

  private async revoke(
    { serialNumber, revokedAt, reason: listed }: RevokedEntry,
    issuers: readonly Authority[],
    actor: string,
  ): Promise<boolean> {
    const { inventory, revocation } = this.options;
    const reason = revocationReason.safeParse(listed).data ?? 'unspecified';
    const known = await inventory.find(serialNumber).catch(unlessMissing);
    if (known === undefined)
      return this.revokeUnknown({ serialNumber, issuers }, { reason, revokedAt: revokedAt.toISOString(), actor });
    if (known.record.revocation !== undefined) return false;
    await revocation.revoke(known.record.fingerprint, reason, actor);
    return true;
  }

  private async revokeUnknown(
    unknown: UnknownCertificate,
    {
      reason,
      revokedAt,
      actor,
    }: { readonly reason: RevocationReason; readonly revokedAt: string; readonly actor: string },
  ): Promise<boolean> {
    const { store, audit, onRevoked } = this.options;
    const { serialNumber } = unknown;
    const keys = unknown.issuers.map(({ record }) => `${revocationPrefix(record.id)}${serialNumber}`);
    const listed = await Promise.all(keys.map((key) => store.get(key)));
    if (listed.every((entry) => entry !== undefined)) return false;
    const details = { serialNumber, reason, isKnown: false };
    await audit.commit({
      operations: unknown.issuers.flatMap((issuer) => this.operationsFor(issuer, unknown, { reason, revokedAt })),
      entries: [{ action: 'certificate-revoked', actor, subject: nobody, outcome: 'succeeded', details }],
    });
    onRevoked();
    return true;
  }

  private operationsFor(
    { record, certificate }: Authority,
    unknown: UnknownCertificate,
    { reason, revokedAt }: { readonly reason: RevocationReason; readonly revokedAt: string },
  ) {
    const { inventory, outbox, clock } = this.options;
    const { serialNumber, notAfter = certificate.notAfter.toISOString() } = unknown;
    const ttlSeconds = inventory.lifetimeSeconds({ notBefore: clock.now().toISOString(), notAfter });
    const event = {
      // The registry also denies by issuer and serial number. Without the certificate, nobody has its fingerprint.
      fingerprint: unknown.fingerprint ?? fingerprint.parse(hash('sha256', `${record.id} ${serialNumber}`)),
      serialNumber,
      issuerFingerprint: certificate.fingerprint,
      deviceId: nobody,
      revokedAt,
      reason,
    };
    return [
      {
        put: `${revocationPrefix(record.id)}${serialNumber}`,
        value: { serialNumber, revokedAt, reason, notAfter },
        ttlSeconds,
      },
      { put: latestRevocationKey(record.id), value: revokedAt },
      outbox.record(certificateRevoked.topic, event),
    ];
  }
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Problem && error.type === 'not-found') return undefined;
  throw error;
}
