import { Injectable } from '@nestjs/common';
import { type DeviceId, type OwnerOrder, ocfUuidOf, Problem } from '@sallyport/protocol';
import { type ChangeConditions, requireVersion } from '../devices/change-conditions.js';
import { type Decision, Devices, type StoredDevice } from '../devices/devices.js';
import { OwnerChanges } from './owner-changes.js';

/** What administrators do with the owners of devices. */
@Injectable()
export class OwnerAdministration {
  constructor(
    private readonly devices: Devices,
    private readonly changes: OwnerChanges,
  ) {}

  /**
   * Gives a device to somebody, or takes it from its owner. Its sessions at the CoAP gateway end. If it has this owner
   * already, nothing is written.
   *
   * @throws Problem `not-found`, `precondition-failed`
   * @throws Problem `conflict`: it is no device of OCF
   */
  async apply(name: DeviceId, { owner }: OwnerOrder, conditions: ChangeConditions): Promise<StoredDevice> {
    const { record: named } = await this.devices.require(name);
    await this.devices.change(named.deviceId, async (found) => {
      const before = found ?? (await this.devices.require(name));
      requireVersion(before, conditions.ifMatch);
      return this.decide(before, owner, conditions);
    });
    return this.devices.require(named.deviceId);
  }

  private decide(before: StoredDevice, owner: string | undefined, by: ChangeConditions): Decision<undefined> {
    const { deviceId: name, kind, owner: present } = before.record;
    if (kind !== 'device' || ocfUuidOf(name) === undefined)
      throw new Problem('conflict', `"${name}" is no device of OCF (its name is not uuid:UUID), so nobody can own it.`);
    if (present === owner) return { result: undefined };
    const change = owner === undefined ? this.changes.givenUp(before, by) : this.changes.ownedBy(before, owner, by);
    return { result: undefined, change };
  }
}
