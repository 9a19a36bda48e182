import { Body, Controller, Param, Query } from '@nestjs/common';
import { Actor } from '@sallyport/entrance';
import {
  type AllowList,
  allowRequest,
  type DenyList,
  denyRequest,
  deviceId,
  deviceListRoutes,
  type ExportPart,
  exportQuery,
  type ImportResponse,
  importRequest,
  type ListChange,
  type TombstoneList,
} from '@sallyport/protocol';
import { Clock, Serves } from '@sallyport/runtime';
import { z } from 'zod';
import { DeviceExport } from './device-export.js';
import { DeviceImport } from './device-import.js';
import { DeviceLists, isOver } from './device-lists.js';
import { DeviceRemoval } from './device-removal.js';
import { ListAdministration } from './list-administration.js';

const devicePath = z.object({ id: deviceId });
const listQuery = deviceListRoutes.listAllowed.query;

/** Admin API of the lists of devices, and of CSV files. */
@Controller()
export class DeviceListsController {
  constructor(
    private readonly lists: DeviceLists,
    private readonly administration: ListAdministration,
    private readonly removal: DeviceRemoval,
    private readonly imports: DeviceImport,
    private readonly exports: DeviceExport,
    private readonly clock: Clock,
  ) {}

  @Serves(deviceListRoutes.listAllowed)
  async allowed(@Query() query: unknown): Promise<AllowList> {
    const { items, ...rest } = await this.lists.allowed.page(listQuery.parse(query));
    const now = this.clock.now();
    const devices = items.map((item) => ({
      ...item,
      state: isOver(item, now) ? ('expired' as const) : ('expected' as const),
    }));
    return { devices, ...rest };
  }

  @Serves(deviceListRoutes.allowDevices)
  allow(@Body() body: unknown, @Actor() actor: string): Promise<ListChange> {
    return this.administration.allow(allowRequest.parse(body), actor);
  }

  @Serves(deviceListRoutes.withdrawAllowed)
  withdrawAllowed(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    return this.administration.withdrawAllowed(devicePath.parse(path).id, actor);
  }

  @Serves(deviceListRoutes.listDenied)
  async denied(@Query() query: unknown): Promise<DenyList> {
    const { items, ...rest } = await this.lists.denied.page(listQuery.parse(query));
    return { denied: items, ...rest };
  }

  @Serves(deviceListRoutes.denyPeers)
  deny(@Body() body: unknown, @Actor() actor: string): Promise<ListChange> {
    return this.administration.deny(denyRequest.parse(body), actor);
  }

  @Serves(deviceListRoutes.withdrawDenied)
  withdrawDenied(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    const { id } = z.object(deviceListRoutes.withdrawDenied.parameters).parse(path);
    return this.administration.withdrawDenied(id, actor);
  }

  @Serves(deviceListRoutes.listTombstones)
  async tombstones(@Query() query: unknown): Promise<TombstoneList> {
    const { items, ...rest } = await this.lists.tombstones.page(listQuery.parse(query));
    return { tombstones: items, ...rest };
  }

  @Serves(deviceListRoutes.releaseDevice)
  release(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    return this.removal.release(devicePath.parse(path).id, { actor });
  }

  @Serves(deviceListRoutes.importDevices)
  import(@Body() body: unknown, @Actor() actor: string): Promise<ImportResponse> {
    return this.imports.apply(importRequest.parse(body), actor);
  }

  @Serves(deviceListRoutes.exportDevices)
  export(@Query() query: unknown): Promise<ExportPart> {
    return this.exports.part(exportQuery.parse(query));
  }
}
