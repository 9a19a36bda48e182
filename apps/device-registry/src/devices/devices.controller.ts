import type { IncomingMessage } from 'node:http';
import { Body, Controller, Param, Query, Req } from '@nestjs/common';
import {
  type DeviceDescription,
  type DeviceList,
  deviceAction,
  deviceActionRequest,
  deviceId,
  deviceQuery,
  Problem,
  registryRoutes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { DeviceLifecycle } from './device-lifecycle.js';
import { descriptionOf, summaryOf } from './device-view.js';
import { Devices } from './devices.js';
import { requesterOf } from './requester.js';

const devicePath = z.object({ id: deviceId });

/** Admin API of the devices. */
@Controller()
export class DevicesController {
  constructor(
    private readonly devices: Devices,
    private readonly lifecycle: DeviceLifecycle,
  ) {}

  @Serves(registryRoutes.listDevices)
  async list(@Query() query: unknown): Promise<DeviceList> {
    const { state, cursor, limit } = deviceQuery.parse(query);
    const { records, ...rest } = await this.devices.list({ limit, ...(cursor === undefined ? {} : { cursor }) }, state);
    return { devices: records.map(summaryOf), ...rest };
  }

  @Serves(registryRoutes.showDevice)
  async show(@Param() path: unknown): Promise<DeviceDescription> {
    const { record } = await this.devices.require(devicePath.parse(path).id);
    return descriptionOf(record, await this.devices.refusals(record.deviceId));
  }

  @Serves(registryRoutes.changeDevice)
  async change(
    @Param() path: unknown,
    @Body() body: unknown,
    @Req() request: { readonly raw: IncomingMessage },
  ): Promise<DeviceDescription> {
    const { id, action } = devicePath.extend({ action: z.string() }).parse(path);
    const known = deviceAction.safeParse(action);
    if (!known.success)
      throw new Problem('not-found', `A device has no "${action}". There are: ${deviceAction.options.join(', ')}.`);
    const { reason } = deviceActionRequest.parse(body ?? {});
    const record = await this.lifecycle.apply(known.data, id, { actor: requesterOf(request), reason });
    return descriptionOf(record, await this.devices.refusals(record.deviceId));
  }
}
