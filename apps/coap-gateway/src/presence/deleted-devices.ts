import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { deviceDeleted } from '@sallyport/protocol';
import { PresenceRecords } from './presence-records.js';

/** Forgets when deleted devices were here. Another device may get the name. */
@Injectable()
export class DeletedDevices implements OnModuleInit {
  constructor(
    private readonly records: PresenceRecords,
    private readonly mqtt: Mqtt,
  ) {}

  async onModuleInit(): Promise<void> {
    await subscribeEvent(this.mqtt, deviceDeleted, ({ deviceId, deletedAt }) =>
      this.records.forget(deviceId, deletedAt),
    );
  }
}
