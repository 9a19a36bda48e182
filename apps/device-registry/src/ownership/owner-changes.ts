import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type { DeviceId, NewDeviceEvent } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type DeviceRecord, fingerprintsOf, withRevoked } from '../devices/device-record.js';
import type { DeviceChangeSet, StoredDevice } from '../devices/devices.js';
import { IdentityRevocations } from './identity-revocations.js';

/** Who changes an owner, for audit log and timeline: a device through the gateway, or an administrator. */
export interface OwnerActor {
  readonly actor: string;
  /** The network address of the device; absent for an administrator. */
  readonly remoteAddress?: string;
  readonly reason?: string | undefined;
}

/** What changes of owners write: record, event and audit row, each in one transaction. */
@Injectable()
export class OwnerChanges {
  constructor(
    private readonly revocations: IdentityRevocations,
    private readonly clock: Clock,
  ) {}

  /** A device that came without a certificate: no CA vouches for it, only its owner does. */
  registration(deviceId: DeviceId, owner: string, by: OwnerActor): DeviceChangeSet {
    const [at, { actor }] = [this.clock.now().toISOString(), by];
    const after: DeviceRecord = {
      deviceId,
      kind: 'device',
      state: 'active',
      authority: 'none',
      registeredAt: at,
      certificates: [],
      states: [{ state: 'active', at, actor }],
      owner,
    };
    const provisioned: NewDeviceEvent = { ...originOf(by), type: 'provisioned', device: deviceId };
    const audit = [entryOf('device-registered', after, by), entryOf('device-owner-set', after, by, { owner })];
    return { after, events: [provisioned, eventOf(after, by)], audit };
  }

  /** Gives a known device an owner. Its certificates stay. */
  ownedBy(before: StoredDevice, owner: string, by: OwnerActor): DeviceChangeSet {
    const { owner: former } = before.record;
    const after: DeviceRecord = { ...before.record, owner };
    const details = { owner, ...(former === undefined ? {} : { from: former }) };
    return { before, after, events: [eventOf(after, by)], audit: [entryOf('device-owner-set', after, by, details)] };
  }

  /**
   * Takes the owner away, and revokes the certificates of this site: the next owner meets a device without a past. Live
   * sessions with them end.
   */
  givenUp(before: StoredDevice, by: OwnerActor): DeviceChangeSet {
    const { owner = '', ...rest } = before.record;
    const { deviceId, authority } = rest;
    const releasedAt = this.clock.now().toISOString();
    const revocation = { revokedAt: releasedAt, reason: 'device signed off' };
    const isOfSite = authority === 'site';
    const after = withRevoked(rest, revocation, ({ source }) => isOfSite || source === 'issued');
    const denied = after.certificates.filter(({ revocation: made }) => made?.revokedAt === releasedAt);
    // The signer may have issued more than the record still holds.
    const asksSigner = isOfSite || denied.length > 0;
    return {
      before,
      after,
      denied,
      announced: fingerprintsOf(after),
      operations: asksSigner ? [this.revocations.record({ deviceId, releasedAt, actor: by.actor })] : [],
      events: [eventOf(after, by)],
      audit: [entryOf('device-owner-removed', after, by, { owner, revoked: denied.length })],
    };
  }
}

function originOf({ actor, remoteAddress = '' }: OwnerActor): Pick<NewDeviceEvent, 'protocol' | 'address' | 'actor'> {
  return { actor, ...(remoteAddress === '' ? {} : { protocol: 'coap', address: remoteAddress }) };
}

function eventOf({ deviceId: device, owner }: DeviceRecord, by: OwnerActor): NewDeviceEvent {
  return { ...originOf(by), type: 'owner_changed', device, payload: owner === undefined ? {} : { owner } };
}

function entryOf(
  action: string,
  { deviceId: subject }: DeviceRecord,
  { actor, remoteAddress, reason }: OwnerActor,
  details: AuditEntry['details'] = {},
): AuditEntry {
  const address = remoteAddress === undefined ? {} : { remoteAddress };
  const why = reason === undefined ? {} : { reason };
  return { actor, action, subject, outcome: 'succeeded', details: { ...details, ...address, ...why } };
}
