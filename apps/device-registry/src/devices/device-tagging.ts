import { Injectable } from '@nestjs/common';
import { type DeviceId, type DeviceTags, deviceTags, Problem, type TagRequest } from '@sallyport/protocol';
import { type ChangeConditions, requireVersion } from './change-conditions.js';
import type { DeviceRecord } from './device-record.js';
import { Devices, type StoredDevice } from './devices.js';

/** Tags of devices. */
@Injectable()
export class DeviceTagging {
  constructor(private readonly devices: Devices) {}

  /**
   * Sets and removes tags by name. If nothing changes, nothing is written.
   *
   * @throws Problem `not-found`, `precondition-failed`
   * @throws Problem `invalid-request`: the device would have too many tags
   */
  async apply(name: DeviceId, request: TagRequest, { ifMatch, actor }: ChangeConditions): Promise<StoredDevice> {
    const { record: named } = await this.devices.require(name);
    await this.devices.change(named.deviceId, async (found) => {
      const before = found ?? (await this.devices.require(name));
      requireVersion(before, ifMatch);
      const after = withTags(before.record, request);
      if (JSON.stringify(after.tags) === JSON.stringify(before.record.tags)) return { result: undefined };
      const { deviceId: subject } = before.record;
      const details = { set: Object.keys(request.set).join(' '), removed: request.remove.join(' ') };
      const entry = { actor, action: 'device-tagged', subject, outcome: 'succeeded' as const, details };
      return { result: undefined, change: { before, after, audit: [entry] } };
    });
    return this.devices.require(named.deviceId);
  }
}

function withTags(record: DeviceRecord, { set, remove }: TagRequest): DeviceRecord {
  const { tags: present = {}, ...others } = record;
  const kept = Object.entries(present).filter(([name]) => !remove.includes(name) && !Object.hasOwn(set, name));
  const unsorted: [string, DeviceTags[string]][] = [...kept, ...Object.entries(set)];
  const wanted = Object.fromEntries(unsorted.sort(([one], [other]) => (one < other ? -1 : 1)));
  const { data: tags, error } = deviceTags.safeParse(wanted);
  if (error !== undefined)
    throw new Problem(
      'invalid-request',
      `The tags of "${record.deviceId}" are not valid: ${error.issues[0]?.message}.`,
    );
  return Object.keys(tags).length === 0 ? others : { ...others, tags };
}
