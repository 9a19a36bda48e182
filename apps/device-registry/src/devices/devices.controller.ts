import { Body, Controller, Param, Query } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  type DeviceAuthority,
  type DeviceDescription,
  type DeviceList,
  deviceAction,
  deviceActionRequest,
  deviceId,
  deviceQuery,
  Problem,
  registryRoutes,
  type TakeoverResponse,
  takeoverRequest,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { Authorities } from './authorities.js';
import { AuthorityTakeover } from './authority-takeover.js';
import { DeviceLifecycle } from './device-lifecycle.js';
import type { DeviceRecord } from './device-record.js';
import { descriptionOf, summaryOf } from './device-view.js';
import { Devices, type StoredDevice } from './devices.js';

const devicePath = z.object({ id: deviceId });

/** Admin API of the devices. */
@Controller()
export class DevicesController {
  constructor(
    private readonly devices: Devices,
    private readonly lifecycle: DeviceLifecycle,
    private readonly authorities: Authorities,
    private readonly takeover: AuthorityTakeover,
  ) {}

  @Serves(registryRoutes.listDevices)
  async list(@Query() query: unknown): Promise<DeviceList> {
    const { state, cursor, limit } = deviceQuery.parse(query);
    const { records, ...rest } = await this.devices.list({ limit, ...(cursor === undefined ? {} : { cursor }) }, state);
    const names = await this.namesIn(records);
    return { devices: records.map((record) => summaryOf(record, names.get(record.authority))), ...rest };
  }

  @Serves(registryRoutes.showDevice)
  async show(@Param() path: unknown): Promise<DeviceDescription> {
    return this.describe(await this.devices.require(devicePath.parse(path).id));
  }

  @Serves(registryRoutes.changeDevice)
  async change(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<DeviceDescription> {
    const { id, action } = devicePath.extend({ action: z.string() }).parse(path);
    const known = deviceAction.safeParse(action);
    if (!known.success)
      throw new Problem('not-found', `A device has no "${action}". There are: ${deviceAction.options.join(', ')}.`);
    const { reason } = deviceActionRequest.parse(body ?? {});
    const { deviceId: name } = await this.lifecycle.apply(known.data, id, { actor, reason });
    return this.describe(await this.devices.require(name));
  }

  @Serves(registryRoutes.takeOverDevices)
  takeOver(@Body() body: unknown, @Actor() actor: string): Promise<TakeoverResponse> {
    return this.takeover.apply(takeoverRequest.parse(body), actor);
  }

  private async describe(device: StoredDevice): Promise<DeviceDescription> {
    const { authority, deviceId: name } = device.record;
    const authorityName = await this.authorities.nameOf(authority);
    return descriptionOf(device, { authorityName, refusals: await this.devices.refusals(name) });
  }

  /** The names of the CAs of some devices, each looked up once. */
  private async namesIn(records: readonly DeviceRecord[]): Promise<Map<DeviceAuthority, string | undefined>> {
    const authorities = [...new Set(records.map(({ authority }) => authority))];
    const named = authorities.map(async (each) => [each, await this.authorities.nameOf(each)] as const);
    return new Map(await Promise.all(named));
  }
}
