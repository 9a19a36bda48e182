import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { deviceDeleted } from '@sallyport/protocol';
import { Log } from '@sallyport/runtime';
import { Twin } from '@sallyport/twin';

// What was on its way when the device was deleted, and clocks of two machines.
const graceMs = 60_000;

/** Removes the values of deleted devices. Another device may get the name, and must not see them. */
@Injectable()
export class DeletedDevices implements OnModuleInit {
  constructor(
    private readonly twin: Twin,
    private readonly mqtt: Mqtt,
    private readonly log: Log,
  ) {}

  async onModuleInit(): Promise<void> {
    await subscribeEvent(this.mqtt, deviceDeleted, ({ deviceId, deletedAt }) =>
      this.forget(deviceId, Date.parse(deletedAt)),
    );
  }

  private async forget(deviceId: string, deletedAtMs: number): Promise<void> {
    const [last] = await this.twin.writes(deviceId, { limit: 1 });
    if (last === undefined) return;
    // The event was late, or comes again: these are values of a new device.
    if (last.atMicros > (deletedAtMs + graceMs) * 1000)
      this.log.warn({ deviceId }, 'a deleted device has newer values, its values stay');
    else await this.twin.forget(deviceId);
  }
}
