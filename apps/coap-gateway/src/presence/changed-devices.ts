import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Mqtt, subscribeEvent } from '@sallyport/mqtt';
import { deviceDeleted, deviceOwnerChanged } from '@sallyport/protocol';
import { PresenceRecords } from './presence-records.js';

/** Keeps the records right when the registry gives a device to somebody else, or deletes it. */
@Injectable()
export class ChangedDevices implements OnModuleInit {
  constructor(
    private readonly records: PresenceRecords,
    private readonly mqtt: Mqtt,
  ) {}

  async onModuleInit(): Promise<void> {
    await subscribeEvent(this.mqtt, deviceOwnerChanged, ({ deviceId, owner }) =>
      this.records.setOwner(deviceId, owner),
    );
    // Another device may get the name.
    await subscribeEvent(this.mqtt, deviceDeleted, ({ deviceId, deletedAt }) =>
      this.records.forget(deviceId, deletedAt),
    );
  }
}
