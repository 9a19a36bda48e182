import { Injectable } from '@nestjs/common';
import type { AuthorityId, ConnectorName } from '@sallyport/protocol';
import { Devices } from '../devices/devices.js';

const pageSize = 500;

/** Which devices are counted. */
export type CensusScope = { readonly connector: ConnectorName } | { readonly authority: AuthorityId };

/** Counts the devices a quota is about. */
@Injectable()
export class DeviceCensus {
  constructor(private readonly devices: Devices) {}

  /** All of them, whatever their state: a device that is revoked still has its place. */
  async count(scope: CensusScope): Promise<number> {
    let count = 0;
    let cursor: string | undefined;
    do {
      const page = await this.devices.page({ limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
      count += page.devices.filter(({ record }) =>
        'connector' in scope ? record.connector === scope.connector : record.authority === scope.authority,
      ).length;
      cursor = page.cursor;
    } while (cursor !== undefined);
    return count;
  }
}
