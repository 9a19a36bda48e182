import { Body, Controller, Headers, Param, Query, Res } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  type CertificateHistory,
  type DeviceDescription,
  type DeviceList,
  deviceAction,
  deviceActionRequest,
  deviceId,
  deviceQuery,
  ownerOrder,
  Problem,
  registryRoutes,
  type TakeoverResponse,
  tagRequest,
  takeoverRequest,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { z } from 'zod';
import type { Reply } from '../connectors/version-header.js';
import { OwnerAdministration } from '../ownership/owner-administration.js';
import { AuthorityTakeover } from './authority-takeover.js';
import { entityTagOf } from './change-conditions.js';
import { DeviceLifecycle } from './device-lifecycle.js';
import { DeviceQueries } from './device-queries.js';
import { DeviceRemoval } from './device-removal.js';
import { DeviceTagging } from './device-tagging.js';
import { Devices, type StoredDevice } from './devices.js';

const devicePath = z.object({ id: deviceId });

/** Admin API of the devices. */
@Controller()
export class DevicesController {
  constructor(
    private readonly devices: Devices,
    private readonly queries: DeviceQueries,
    private readonly lifecycle: DeviceLifecycle,
    private readonly tagging: DeviceTagging,
    private readonly owners: OwnerAdministration,
    private readonly removal: DeviceRemoval,
    private readonly takeover: AuthorityTakeover,
  ) {}

  @Serves(registryRoutes.listDevices)
  list(@Query() query: unknown): Promise<DeviceList> {
    return this.queries.list(deviceQuery.parse(query));
  }

  @Serves(registryRoutes.showDevice)
  async show(@Param() path: unknown, @Res({ passthrough: true }) reply: Reply): Promise<DeviceDescription> {
    return this.answer(await this.devices.require(devicePath.parse(path).id), reply);
  }

  @Serves(registryRoutes.listDeviceCertificates)
  async certificates(@Param() path: unknown): Promise<CertificateHistory> {
    const { record } = await this.devices.require(devicePath.parse(path).id);
    const certificates = record.certificates.map(async (certificate) => {
      const kept = await this.devices.certificateOf(certificate.fingerprint);
      return kept === undefined ? certificate : { ...certificate, der: kept.der.toString('base64') };
    });
    return { certificates: await Promise.all(certificates) };
  }

  @Serves(registryRoutes.changeDevice)
  async change(
    @Param() path: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<DeviceDescription> {
    const { id, action } = devicePath.extend({ action: z.string() }).parse(path);
    const known = deviceAction.safeParse(action);
    if (!known.success)
      throw new Problem('not-found', `A device has no "${action}". There are: ${deviceAction.options.join(', ')}.`);
    const { reason } = deviceActionRequest.parse(body ?? {});
    const { deviceId: name } = await this.lifecycle.apply(known.data, id, { actor, reason, ifMatch });
    return this.answer(await this.devices.require(name), reply);
  }

  @Serves(registryRoutes.tagDevice)
  async tag(
    @Param() path: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<DeviceDescription> {
    const { id } = devicePath.parse(path);
    return this.answer(await this.tagging.apply(id, tagRequest.parse(body ?? {}), { actor, ifMatch }), reply);
  }

  @Serves(registryRoutes.setOwner)
  async setOwner(
    @Param() path: unknown,
    @Body() body: unknown,
    @Actor() actor: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<DeviceDescription> {
    const { id } = devicePath.parse(path);
    const order = ownerOrder.parse(body ?? {});
    return this.answer(await this.owners.apply(id, order, { actor, reason: order.reason, ifMatch }), reply);
  }

  @Serves(registryRoutes.deleteDevice)
  async delete(
    @Param() path: unknown,
    @Query() query: unknown,
    @Actor() actor: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    const { reason } = deviceActionRequest.parse(query);
    await this.removal.delete(devicePath.parse(path).id, { actor, reason, ifMatch });
  }

  @Serves(registryRoutes.takeOverDevices)
  takeOver(@Body() body: unknown, @Actor() actor: string): Promise<TakeoverResponse> {
    return this.takeover.apply(takeoverRequest.parse(body), actor);
  }

  private answer(device: StoredDevice, reply: Reply): Promise<DeviceDescription> {
    reply.header('etag', entityTagOf(device));
    return this.queries.describe(device);
  }
}
