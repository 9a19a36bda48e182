import { Injectable } from '@nestjs/common';
import { TokenBuckets } from '@sallyport/concurrency';
import { canonicalDeviceId, type DeviceId, ocfUuidOf, usualNewcomerRate } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { DeviceLists } from '../devices/device-lists.js';
import { type Decision, Devices, type StoredDevice } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { OwnerChanges } from './owner-changes.js';
import { devicesOf } from './owner-index.js';

/** Somebody who wants a device, or gives it up. */
export interface OwnerRequest {
  readonly deviceId: DeviceId;
  readonly owner: string;
  readonly remoteAddress: string;
}

export type ClaimOutcome = 'owned' | 'owned-by-another' | 'device-refused' | 'too-many-new-devices';

const actor = 'coap-gateway';
const mostOwners = 10_000;

/** Who owns the devices of OCF. A device has one owner. */
@Injectable()
export class Ownership {
  // A code of a provider may pay for more than one sign-up, so an owner cannot fill the store with names.
  private readonly newDevices = new TokenBuckets(usualNewcomerRate, mostOwners);

  constructor(
    private readonly devices: Devices,
    private readonly changes: OwnerChanges,
    private readonly lists: DeviceLists,
    private readonly site: RegistrySite,
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /** The owner of a device; undefined when nobody owns it, or the registry does not know it. */
  async ownerOf(name: DeviceId): Promise<string | undefined> {
    return (await this.devices.find(name))?.record.owner;
  }

  /** The devices of an owner by name, at most 1,000. */
  devicesOf(owner: string): Promise<DeviceId[]> {
    return devicesOf(this.store, owner);
  }

  /**
   * Makes somebody the owner of a device that nobody owns; registers it when it is unknown. Idempotent: of fifty claims
   * at once one wins.
   *
   * @throws Problem `unavailable`, `storage-full`: not written
   */
  claim(request: OwnerRequest): Promise<ClaimOutcome> {
    const name = canonicalDeviceId(request.deviceId);
    return this.devices.change(name, (device) => this.decideClaim({ ...request, deviceId: name }, device));
  }

  /**
   * Takes the owner away and revokes the certificates of this site, so that the next owner meets a device without a
   * past. Live sessions with them end.
   *
   * @throws Problem `unavailable`, `storage-full`: not written
   */
  release({ deviceId, owner, remoteAddress }: OwnerRequest): Promise<'released' | 'not-owned'> {
    return this.devices.change(canonicalDeviceId(deviceId), async (device) => {
      if (device?.record.owner !== owner) return { result: 'not-owned' };
      return { result: 'released', change: this.changes.givenUp(device, { actor, remoteAddress }) };
    });
  }

  private async decideClaim(
    { deviceId: name, owner, remoteAddress }: OwnerRequest,
    device: StoredDevice | undefined,
  ): Promise<Decision<ClaimOutcome>> {
    const by = { actor, remoteAddress };
    if (await this.isRefused(name, device)) return { result: 'device-refused' };
    if (device !== undefined) {
      const { owner: present } = device.record;
      if (present !== undefined) return { result: present === owner ? 'owned' : 'owned-by-another' };
      return { result: 'owned', change: this.changes.ownedBy(device, owner, by) };
    }
    await this.site.requireKnown();
    if (!this.newDevices.take(owner, this.clock.now().getTime())) return { result: 'too-many-new-devices' };
    return { result: 'owned', change: this.changes.registration(name, owner, by) };
  }

  private async isRefused(name: DeviceId, device: StoredDevice | undefined): Promise<boolean> {
    if (ocfUuidOf(name) === undefined) return true;
    if ((await this.lists.denialOf({ deviceId: name })) !== undefined) return true;
    if (device !== undefined) return device.record.kind !== 'device' || device.record.state !== 'active';
    return (await this.lists.deletedNameOf({ deviceId: name })) !== undefined;
  }
}
