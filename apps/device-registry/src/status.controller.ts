import { Controller } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { deviceState, type RegistryStatus, registryRoutes, registryStatus } from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { Devices } from './devices/devices.js';

/** How the registry is, for `sallyport status`. */
@Controller()
export class StatusController {
  constructor(
    private readonly devices: Devices,
    private readonly audit: AuditLog,
  ) {}

  @Serves(registryRoutes.showStatus)
  async status(): Promise<RegistryStatus> {
    const { sequence, hash } = await this.audit.head();
    const counts = deviceState.options.map(async (state) => [state, await this.devices.count(state)] as const);
    const devices = registryStatus.shape.devices.parse(Object.fromEntries(await Promise.all(counts)));
    return { service: 'device-registry', devices, audit: { rows: sequence, headHash: hash } };
  }
}
