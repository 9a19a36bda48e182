import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import { TokenBuckets } from '@sallyport/concurrency';
import { type DeviceId, type NewDeviceEvent, ocfUuidOf, usualNewcomerRate } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { DeviceLists } from '../devices/device-lists.js';
import { type DeviceRecord, fingerprintsOf, withRevoked } from '../devices/device-record.js';
import { type Decision, Devices, type StoredDevice } from '../devices/devices.js';
import { RegistrySite } from '../site/registry-site.js';
import { devicesOf } from './owner-index.js';

/** Somebody who wants a device, or gives it up. */
export interface OwnerRequest {
  readonly deviceId: DeviceId;
  readonly owner: string;
  readonly remoteAddress: string;
}

export type ClaimOutcome = 'owned' | 'owned-by-another' | 'device-refused';

const actor = 'coap-gateway';
const mostOwners = 10_000;

/** Who owns the devices of OCF. A device has one owner. */
@Injectable()
export class Ownership {
  // A code of a provider may pay for more than one sign-up, so an owner cannot fill the store with names.
  private readonly newDevices = new TokenBuckets(usualNewcomerRate, mostOwners);

  constructor(
    private readonly devices: Devices,
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
    return this.devices.change(request.deviceId, (device) => this.decideClaim(request, device));
  }

  /**
   * Takes the owner away and revokes the certificates of this site, so that the next owner meets a device without a
   * past. Live sessions with them end.
   *
   * @throws Problem `unavailable`, `storage-full`: not written
   */
  release(request: OwnerRequest): Promise<'released' | 'not-owned'> {
    return this.devices.change(request.deviceId, async (device) => {
      if (device?.record.owner !== request.owner) return { result: 'not-owned' };
      return { result: 'released', change: releaseOf(device, { by: request, now: this.clock.now() }) };
    });
  }

  private async decideClaim(request: OwnerRequest, device: StoredDevice | undefined): Promise<Decision<ClaimOutcome>> {
    const { deviceId: name, owner } = request;
    if (await this.isRefused(name, device)) return { result: 'device-refused' };
    if (device === undefined) return this.registration(request);
    const { owner: present } = device.record;
    if (present !== undefined) return { result: present === owner ? 'owned' : 'owned-by-another' };
    const after: DeviceRecord = { ...device.record, owner };
    const audit = [entryOf('device-owner-set', request, { owner })];
    return { result: 'owned', change: { before: device, after, events: [eventOf(after, request)], audit } };
  }

  private async isRefused(name: DeviceId, device: StoredDevice | undefined): Promise<boolean> {
    if (ocfUuidOf(name) === undefined) return true;
    if ((await this.lists.denialOf({ deviceId: name })) !== undefined) return true;
    if (device !== undefined) return device.record.kind !== 'device' || device.record.state !== 'active';
    return (await this.lists.deletedNameOf({ deviceId: name })) !== undefined;
  }

  /** A device that came without a certificate: no CA vouches for it, only its owner does. */
  private async registration(request: OwnerRequest): Promise<Decision<ClaimOutcome>> {
    const { deviceId: name, owner } = request;
    await this.site.requireKnown();
    const now = this.clock.now();
    if (!this.newDevices.take(owner, now.getTime())) return { result: 'device-refused' };
    const at = now.toISOString();
    const after: DeviceRecord = {
      deviceId: name,
      kind: 'device',
      state: 'active',
      authority: 'none',
      registeredAt: at,
      certificates: [],
      states: [{ state: 'active', at, actor }],
      owner,
    };
    const provisioned: NewDeviceEvent = { ...contactOf(request), type: 'provisioned', device: name };
    const audit = [entryOf('device-registered', request, {}), entryOf('device-owner-set', request, { owner })];
    return { result: 'owned', change: { after, events: [provisioned, eventOf(after, request)], audit } };
  }
}

interface Release {
  readonly by: OwnerRequest;
  readonly now: Date;
}

function releaseOf(before: StoredDevice, { by, now }: Release) {
  const { owner: _, ...rest } = before.record;
  const revocation = { revokedAt: now.toISOString(), reason: 'device signed off' };
  const after: DeviceRecord = withRevoked(
    rest,
    revocation,
    ({ source }) => rest.authority === 'site' || source === 'issued',
  );
  const revoked = after.certificates.filter(({ revocation: made }) => made?.revokedAt === revocation.revokedAt);
  return {
    before,
    after,
    denied: revoked,
    announced: fingerprintsOf(after),
    events: [eventOf(after, by)],
    audit: [entryOf('device-owner-removed', by, { owner: by.owner, revoked: revoked.length })],
  };
}

function contactOf({ remoteAddress: address }: OwnerRequest): Pick<NewDeviceEvent, 'protocol' | 'address' | 'actor'> {
  return { protocol: 'coap', actor, ...(address === '' ? {} : { address }) };
}

function eventOf({ deviceId: device, owner }: DeviceRecord, request: OwnerRequest): NewDeviceEvent {
  const payload = owner === undefined ? {} : { owner };
  return { ...contactOf(request), type: 'owner_changed', device, payload };
}

function entryOf(
  action: string,
  { deviceId, remoteAddress }: OwnerRequest,
  details: AuditEntry['details'],
): AuditEntry {
  return { actor, action, subject: deviceId, outcome: 'succeeded', details: { ...details, remoteAddress } };
}
