import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { deviceDeleted, type OcfUuid, ocfDeviceId, ocfUuidOf } from '@sallyport/protocol';
import { Commands } from './commands/commands.js';
import { LinkDirectory } from './links/link-directory.js';
import { KeptValues } from './values/kept-values.js';
import { TwinSync } from './values/twin-sync.js';

/** Everything that the gateway keeps of the resources of a device. It goes with the device. */
@Injectable()
export class KeptOfDevice implements OnModuleInit {
  constructor(
    private readonly links: LinkDirectory,
    private readonly commands: Commands,
    private readonly values: KeptValues,
    private readonly sync: TwinSync,
    private readonly mqtt: Mqtt,
  ) {}

  get parts() {
    const { links, commands, values, sync } = this;
    return { links, commands, values, sync };
  }

  async onModuleInit(): Promise<void> {
    await subscribeEvent(this.mqtt, deviceDeleted, async ({ deviceId }) => {
      const device = ocfUuidOf(deviceId);
      if (device !== undefined) await this.forgetWork(device);
    });
  }

  async forget(device: OcfUuid): Promise<void> {
    await this.forgetWork(device);
    await this.values.forget(ocfDeviceId(device));
  }

  /** All but the values: of deleted devices, `DeletedDevices` removes those. */
  private async forgetWork(device: OcfUuid): Promise<void> {
    await this.links.forget(device);
    await this.commands.forget(device);
    await this.sync.forget(device);
  }
}
