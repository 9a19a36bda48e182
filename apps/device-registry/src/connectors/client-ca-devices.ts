import { Injectable } from '@nestjs/common';
import type { AuthorityId, ClientCaDescription, ConnectorName } from '@sallyport/protocol';
import { Devices } from '../devices/devices.js';

const pageSize = 500;
/** To count more would take seconds, and keep the store busy. */
const mostRead = 100_000;

/** The devices that Client CAs vouch for. */
@Injectable()
export class ClientCaDevices {
  constructor(private readonly devices: Devices) {}

  /** How many devices of a connector belong to a CA. Reads at most 100,000 records. */
  async count(connector: ConnectorName, id: AuthorityId): Promise<ClientCaDescription['devices']> {
    let [total, active, read] = [0, 0, 0];
    let cursor: string | undefined;
    do {
      const page = await this.devices.page({ limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
      for (const { record } of page.devices) {
        if (record.authority !== id || record.connector !== connector) continue;
        total += 1;
        if (record.state === 'active') active += 1;
      }
      read += page.devices.length;
      cursor = page.cursor;
    } while (cursor !== undefined && read < mostRead);
    return { total, active, counted: cursor === undefined ? 'all' : 'at-least' };
  }
}
