import {
  certificateRevoked,
  type DeviceChange,
  type DeviceId,
  type Fingerprint,
  Problem,
  type RevocationReason,
  revocationReason,
  serialNumber,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Operation, Outbox, Store } from '@sallyport/store';
import { z } from 'zod';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import { blockKey, hasSameKey, isKeyBlocked } from '../issuance/key-owner.js';
import type { CertificateRecord } from './certificate-record.js';
import type { Inventory, StoredCertificate } from './inventory.js';

/** What a CRL says about one certificate. */
export const revocationRecord = z.strictObject({
  serialNumber,
  revokedAt: z.iso.datetime(),
  reason: revocationReason,
  notAfter: z.iso.datetime(),
});
export type RevocationRecord = z.infer<typeof revocationRecord>;

export interface RevocationOptions {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly audit: SignerAuditLog;
  readonly outbox: Outbox;
  readonly clock: Clock;
  /** Called after each revocation; must return at once. */
  readonly onRevoked?: () => void;
}

const mostTries = 5;

/** Revokes certificates. To revoke one twice is the same as once. The CRL is built later, never inside a revocation. */
export class Revocation {
  constructor(private readonly options: RevocationOptions) {}

  /**
   * Revokes one certificate. One that is revoked already keeps its first date and reason. The reason `keyCompromise`
   * also blocks the key for ever, and revokes every other certificate of that key.
   *
   * @param id fingerprint or serial number
   * @throws Problem `not-found`
   */
  async revoke(id: string, reason: RevocationReason, actor: string): Promise<CertificateRecord> {
    const revoked = await this.revokeOne(id, reason, actor);
    if (reason === 'keyCompromise') await this.abandonKey(revoked, actor);
    return revoked;
  }

  private async revokeOne(id: string, reason: RevocationReason, actor: string): Promise<CertificateRecord> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const stored = await this.options.inventory.find(id);
      if (stored.record.revocation !== undefined) return stored.record;
      const revoked = await this.tryRevoke(stored, reason, actor);
      if (revoked !== undefined) return revoked;
    }
    throw new Problem('unavailable', 'The certificate is being changed by somebody else. Try again.', {
      retryAfterSeconds: 1,
    });
  }

  /**
   * Follows the registry: a device that is revoked or retired loses its certificates. The event may come twice or late,
   * so a certificate issued after the change stays valid: a reinstated device got it.
   */
  async follow({ deviceId, state, changedAt, fingerprints }: DeviceChange): Promise<void> {
    if (state !== 'revoked' && state !== 'retired') return;
    const reason = state === 'revoked' ? 'privilegeWithdrawn' : 'cessationOfOperation';
    const named = new Set<Fingerprint>(fingerprints);
    const isConcerned = ({ fingerprint, issuedAt }: CertificateRecord) =>
      named.has(fingerprint) || Date.parse(issuedAt) <= Date.parse(changedAt);
    const live = await this.options.inventory.live(deviceId);
    for (const { fingerprint } of live.filter(isConcerned)) await this.revoke(fingerprint, reason, 'device-registry');
  }

  /**
   * A device was given up: what was issued to it until then is revoked, and what it gets later is not. Services and
   * administrators of the same name keep theirs.
   *
   * @returns how many certificates were revoked
   */
  async revokeDevice(
    deviceId: DeviceId,
    { issuedUntil, actor }: { readonly issuedUntil: Date; readonly actor: string },
  ): Promise<number> {
    const live = await this.options.inventory.live(deviceId);
    const concerned = live.filter(({ kind, issuedAt }) => kind === 'device' && new Date(issuedAt) <= issuedUntil);
    for (const { fingerprint } of concerned) await this.revoke(fingerprint, 'cessationOfOperation', actor);
    return concerned.length;
  }

  /** A stolen key works with every certificate of that key, so all are revoked, also when one was revoked before. */
  private async abandonKey(stolen: CertificateRecord, actor: string): Promise<void> {
    const { store, audit, inventory } = this.options;
    if (!(await isKeyBlocked(store, stolen))) {
      const { deviceId: subject, fingerprint } = stolen;
      const entry = { action: 'key-blocked', actor, subject, outcome: 'succeeded', details: { fingerprint } } as const;
      await audit.commit({ operations: [blockKey(stolen)], entries: [entry] });
    }
    // No other name ever gets the same key.
    const live = await inventory.live(stolen.deviceId);
    for (const { fingerprint } of live.filter((record) => hasSameKey(record, stolen)))
      await this.revokeOne(fingerprint, 'keyCompromise', actor);
  }

  private async tryRevoke(
    stored: StoredCertificate,
    reason: RevocationReason,
    actor: string,
  ): Promise<CertificateRecord | undefined> {
    const { inventory, audit, outbox, clock } = this.options;
    const revokedAt = clock.now().toISOString();
    const record = { ...stored.record, revocation: { revokedAt, reason } };
    const { fingerprint, serialNumber: serial, issuer, issuerFingerprint, deviceId } = record;
    const event = { fingerprint, serialNumber: serial, issuerFingerprint, deviceId, revokedAt, reason };
    const isRevoked = await audit.commit({
      compares: [inventory.unchanged(stored)],
      operations: [
        ...inventory.revocationOf(record),
        this.crlEntryOf(record, revokedAt, reason),
        { put: latestRevocationKey(issuer), value: revokedAt },
        ...(reason === 'keyCompromise' ? [blockKey(record)] : []),
        outbox.record(certificateRevoked.topic, event),
      ],
      entries: [{ action: 'certificate-revoked', actor, subject: deviceId, outcome: 'succeeded', details: event }],
    });
    if (!isRevoked) return undefined;
    this.options.onRevoked?.();
    return record;
  }

  private crlEntryOf(record: CertificateRecord, revokedAt: string, reason: RevocationReason): Operation {
    const { serialNumber: serial, notAfter, issuer } = record;
    return {
      put: `${revocationPrefix(issuer)}${serial}`,
      value: { serialNumber: serial, revokedAt, reason, notAfter },
      ttlSeconds: this.options.inventory.lifetimeSeconds(record),
    };
  }
}

/** Below this prefix is one `revocationRecord` for each revoked certificate of the CA. */
export function revocationPrefix(issuerId: string): string {
  return `revocation/${issuerId}/`;
}

/** Every revocation writes it. Its revision shows whether a CRL has the latest one. */
export function latestRevocationKey(issuerId: string): string {
  return `latest-revocation/${issuerId}`;
}
