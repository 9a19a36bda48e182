import { type DeviceId, deviceId as deviceIdSchema, type Fingerprint, fingerprint } from '@sallyport/protocol';
import type { Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { hasSameKey } from '../issuance/key-owner.js';
import type { CertificateRecord } from './certificate-record.js';
import type { Inventory } from './inventory.js';
import type { Revocation } from './revocation.js';

export interface SupersededIdentitiesOptions {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly revocation: Revocation;
}

const prefix = 'superseded/';

/** The new certificate of a device whose earlier ones are still to be revoked. */
const debt = z.strictObject({ deviceId: deviceIdSchema, fingerprint, actor: z.string() });

/**
 * One live identity for each OCF device: when it has enrolled again, its certificates of other keys are revoked. What is
 * to be revoked is written down together with the new certificate, so that a crash between the two does not leave two
 * identities.
 */
export class SupersededIdentities {
  constructor(private readonly options: SupersededIdentitiesOptions) {}

  /** The change for the transaction that stores the new certificate of a device. */
  debtOf(deviceId: DeviceId, issued: Fingerprint, actor: string): Operation {
    return { put: `${prefix}${deviceId}`, value: { deviceId, fingerprint: issued, actor } };
  }

  /** Revokes the earlier certificates of a device, if that is still to be done. */
  async settle(deviceId: DeviceId): Promise<void> {
    const { store, inventory, revocation } = this.options;
    const key = `${prefix}${deviceId}`;
    const entry = await store.get(key);
    if (entry === undefined) return;
    const { fingerprint: issued, actor } = debt.parse(entry.value);
    const current = (await inventory.get(issued))?.record;
    const earlier = current === undefined ? [] : await this.earlierThan(current);
    for (const { fingerprint: superseded } of earlier) await revocation.revoke(superseded, 'superseded', actor);
    await store.transaction([{ key, revision: entry.revision }], [{ delete: key }]);
  }

  /** Settles what a crash has left. */
  async settleAll(): Promise<void> {
    for await (const { value } of this.options.store.listAll(prefix)) await this.settle(debt.parse(value).deviceId);
  }

  /** A renewal of the new certificate may have another key too, so what was issued later stays. */
  private async earlierThan(current: CertificateRecord): Promise<CertificateRecord[]> {
    const live = await this.options.inventory.live(current.deviceId);
    return live.filter((record) => record.issuedAt <= current.issuedAt && !hasSameKey(record, current));
  }
}
