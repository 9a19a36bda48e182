import { Injectable } from '@nestjs/common';
import {
  type DeviceAuthority,
  type DeviceDescription,
  type DeviceFilter,
  type DeviceList,
  type DeviceQuery,
  type DeviceSummary,
  Problem,
} from '@sallyport/protocol';
import { Authorities } from './authorities.js';
import type { DeviceRecord } from './device-record.js';
import { descriptionOf, summaryOf } from './device-view.js';
import { Devices, type StoredDevice } from './devices.js';
import { DeviceDirectory } from './index/device-directory.js';
import type { IndexRange } from './index/device-index.js';
import { LastContacts } from './last-contacts.js';

const cursorMark = 'after:';

/** Some devices by name, and where the next ones begin. */
export interface DevicePage {
  readonly devices: readonly StoredDevice[];
  readonly cursor?: string;
}

/** Answers what administrators ask about devices. */
@Injectable()
export class DeviceQueries {
  constructor(
    private readonly devices: Devices,
    private readonly directory: DeviceDirectory,
    private readonly authorities: Authorities,
    private readonly contacts: LastContacts,
  ) {}

  /** @throws Problem `unavailable`: there is a filter, and the devices are still being read after a start */
  async list(query: DeviceQuery): Promise<DeviceList> {
    const { devices, ...rest } = await this.page(query);
    return { devices: await this.summaries(devices.map(({ record }) => record)), ...rest };
  }

  /** One page of the devices that a filter names; of all when it is empty. */
  async page({ cursor, limit, ...filter }: DeviceQuery): Promise<DevicePage> {
    const isFiltered = Object.values(filter).some((condition) => condition !== undefined);
    if (!isFiltered) return this.devices.page({ limit, ...(cursor === undefined ? {} : { cursor }) });
    return this.found(filter, { after: cursor === undefined ? undefined : nameAfter(cursor), limit });
  }

  /** A device with everything the registry knows about it. */
  async describe(device: StoredDevice): Promise<DeviceDescription> {
    const { authority, deviceId: name } = device.record;
    const [authorityName, refusals, lastSeen] = await Promise.all([
      this.authorities.nameOf(authority),
      this.devices.refusals(name),
      this.contacts.find(name),
    ]);
    return descriptionOf(device, { authorityName, refusals, lastSeen });
  }

  private async found(filter: DeviceFilter, { after, limit }: IndexRange): Promise<DevicePage> {
    const names = await this.directory.find(filter, { after, limit: limit + 1 });
    const devices = await this.devices.some(names.slice(0, limit));
    const last = names.length > limit ? names[limit - 1] : undefined;
    return last === undefined ? { devices } : { devices, cursor: cursorAfter(last) };
  }

  private async summaries(records: readonly DeviceRecord[]): Promise<DeviceSummary[]> {
    const names = await this.namesIn(records);
    return records.map((record) => {
      const lastSeenAt = this.directory.seenAt(record.deviceId)?.toISOString();
      return summaryOf(record, { authorityName: names.get(record.authority), lastSeenAt });
    });
  }

  /** The names of the CAs of some devices, each looked up once. */
  private async namesIn(records: readonly DeviceRecord[]): Promise<Map<DeviceAuthority, string | undefined>> {
    const authorities = [...new Set(records.map(({ authority }) => authority))];
    const named = authorities.map(async (each) => [each, await this.authorities.nameOf(each)] as const);
    return new Map(await Promise.all(named));
  }
}

function cursorAfter(name: string): string {
  return Buffer.from(cursorMark + name).toString('base64url');
}

/** @throws Problem `invalid-request` */
function nameAfter(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const name = text.slice(cursorMark.length);
  if (text.startsWith(cursorMark) && cursorAfter(name) === cursor) return name;
  throw new Problem('invalid-request', 'The cursor does not belong to this list. Start again without a cursor.');
}
