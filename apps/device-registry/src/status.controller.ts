import { Controller } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { deviceState, type RegistryStatus, registryRoutes, registryStatus } from '@sallyport/protocol';
import { Clock, Serves } from '@sallyport/runtime';
import { DeviceDirectory } from './devices/index/device-directory.js';

/** How the registry is, for `sallyport status`. */
@Controller()
export class StatusController {
  constructor(
    private readonly directory: DeviceDirectory,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  @Serves(registryRoutes.showStatus)
  async status(): Promise<RegistryStatus> {
    const { sequence, hash } = await this.audit.head();
    await this.directory.settle();
    const { isComplete } = this.directory;
    const counts = deviceState.options.map((state) => [state, this.directory.countOf(state)] as const);
    const devices = registryStatus.shape.devices.parse(Object.fromEntries(counts));
    return {
      service: 'device-registry',
      devices,
      isComplete,
      ...(isComplete ? { expiring: await this.directory.expiring(this.clock.now()) } : {}),
      audit: { rows: sequence, headHash: hash },
    };
  }
}
