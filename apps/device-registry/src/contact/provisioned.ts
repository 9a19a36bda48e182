import { Injectable } from '@nestjs/common';
import { Clock } from '@sallyport/runtime';
import { Timeline } from '@sallyport/timeline';
import type { DeviceRecord } from '../devices/device-record.js';

// The registry and its answers need the broker too. So the event of a device that is older has been published.
const freshForMs = 60_000;
const deadlineMs = 2_000;

/** Keeps the event `provisioned` of a device before every other one, also those of other services. */
@Injectable()
export class Provisioned {
  constructor(
    private readonly timeline: Timeline,
    private readonly clock: Clock,
  ) {}

  /**
   * Waits until the events of a new device have been published, by this registry or another replica.
   *
   * @throws Problem `unavailable`: they were not published in time; the device may try again
   */
  async announced({ deviceId, registeredAt }: DeviceRecord): Promise<void> {
    const ageMs = this.clock.now().getTime() - Date.parse(registeredAt);
    if (Math.abs(ageMs) < freshForMs) await this.timeline.settled(deviceId, { deadlineMs });
  }
}
