import { Injectable } from '@nestjs/common';
import { type DeviceId, deviceDeleted, Problem, type Tombstone } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Timeline } from '@sallyport/timeline';
import { type ChangeConditions, requireVersion } from './change-conditions.js';
import { DeviceAnnouncements } from './device-announcements.js';
import { DeviceLists } from './device-lists.js';
import { credentialsOf, fingerprintsOf, withState } from './device-record.js';
import { type DeviceChangeSet, Devices, type StoredDevice } from './devices.js';
import { LastContacts } from './last-contacts.js';

/** Deletes devices, and releases what is left of them. */
@Injectable()
export class DeviceRemoval {
  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly announcements: DeviceAnnouncements,
    private readonly contacts: LastContacts,
    private readonly timeline: Timeline,
    private readonly clock: Clock,
  ) {}

  /**
   * Deletes a device and ends its connections. Its name and its certificates stay refused until they are released, so
   * that it does not come back by itself. What the signer issued to it is revoked.
   *
   * @throws Problem `not-found`, `precondition-failed`
   * @throws Problem `conflict`: it is a service or an administrator of this site
   */
  async delete(name: DeviceId, conditions: ChangeConditions): Promise<void> {
    const { record: named } = await this.devices.require(name);
    await this.devices.change(named.deviceId, async (found) => {
      const before = found ?? (await this.devices.require(name));
      requireVersion(before, conditions.ifMatch);
      return { result: undefined, change: this.deletion(before, conditions) };
    });
    this.contacts.forget(named.deviceId);
  }

  /**
   * Lets the name and the certificates of a deleted device in again, as those of a new one.
   *
   * @throws Problem `not-found`: no device of this name has been deleted
   */
  async release(name: DeviceId, { actor }: ChangeConditions): Promise<void> {
    const stone = await this.lists.tombstones.find(name);
    if (stone === undefined) throw new Problem('not-found', `No device called "${name}" has been deleted.`);
    await this.devices.change(stone.deviceId, async (before) => {
      const { deviceId: device, connector } = stone;
      const entry = { actor, action: 'device-released', subject: device, outcome: 'succeeded' as const, details: {} };
      const origin = connector === undefined ? {} : { connector };
      const event = this.timeline.record({ ...origin, type: 'released', device, actor });
      const operations = [...this.lists.release(stone), ...event];
      return { result: undefined, change: { before, operations, audit: [entry] } };
    });
  }

  private deletion(before: StoredDevice, { actor, reason }: ChangeConditions): DeviceChangeSet {
    const { record } = before;
    const { deviceId: name, kind, connector, state } = record;
    if (kind !== 'device')
      throw new Problem('conflict', `"${name}" is of kind ${kind}, and only devices can be deleted. Retire it.`);
    const at = this.clock.now().toISOString();
    const why = reason === undefined ? {} : { reason };
    const origin = connector === undefined ? {} : { connector };
    const stone: Tombstone = { deviceId: name, ...origin, fingerprints: fingerprintsOf(record), at, actor, ...why };
    // Entrances end its sessions, and the signer revokes its certificates, as for a device that is retired.
    const gone = withState(record, { state: 'retired', at, actor });
    return {
      before,
      deletes: true,
      operations: [
        ...this.lists.deletionOf(stone),
        this.lists.allowed.remove(name),
        this.announcements.record(gone, credentialsOf(record)),
        this.announcements.announce(deviceDeleted, { deviceId: name, deletedAt: at }),
      ],
      events: [{ type: 'deleted', device: name, actor, payload: why }],
      audit: [{ actor, action: 'device-deleted', subject: name, outcome: 'succeeded', details: { state, ...why } }],
    };
  }
}
