import { Controller } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { type RegistryStatus, registryRoutes } from '@sallyport/protocol';
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
    const [active, locked, revoked, retired] = await Promise.all([
      this.devices.count('active'),
      this.devices.count('locked'),
      this.devices.count('revoked'),
      this.devices.count('retired'),
    ]);
    const devices = { active, locked, revoked, retired };
    return { service: 'device-registry', devices, audit: { rows: sequence, headHash: hash } };
  }
}
