import { Controller, Param, Query } from '@nestjs/common';
import {
  type CoapDevice,
  type CoapDeviceList,
  coapDeviceQuery,
  coapDeviceRoutes,
  deviceId,
  Problem,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { z } from 'zod';
import { type PresenceRecord, presenceOf, recordKey, recordPrefix } from './presence-record.js';

const devicePath = z.object({ id: deviceId });

/** Admin API of the devices that have signed in here, now or before. */
@Controller()
export class CoapDevicesController {
  constructor(private readonly store: Store) {}

  @Serves(coapDeviceRoutes.listCoapDevices)
  async list(@Query() query: unknown): Promise<CoapDeviceList> {
    const { cursor, limit } = coapDeviceQuery.parse(query);
    const page = await this.store.list(recordPrefix, { limit, ...(cursor === undefined ? {} : { cursor }) });
    const records = page.entries.map(presenceOf).filter((record) => record !== undefined);
    return { devices: records.map(viewOf), ...(page.cursor === undefined ? {} : { cursor: page.cursor }) };
  }

  @Serves(coapDeviceRoutes.showCoapDevice)
  async show(@Param() path: unknown): Promise<CoapDevice> {
    const { id } = devicePath.parse(path);
    const record = presenceOf(await this.store.get(recordKey(id)));
    if (record !== undefined) return viewOf(record);
    throw new Problem('not-found', `No device called "${id}" has signed in at the CoAP gateway.`);
  }
}

function viewOf({ gateway: _, ...device }: PresenceRecord): CoapDevice {
  return device;
}
