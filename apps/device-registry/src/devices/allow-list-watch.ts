import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicWork } from '@sallyport/concurrency';
import type { AllowedDevice } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { type Compare, Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { DeviceLists, isOver } from './device-lists.js';

const lookEveryMs = 10 * 60_000;

/** Tells once of each expected device whose window has passed without a contact: event `expired`. */
@Injectable()
export class AllowListWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looking: PeriodicWork;

  constructor(
    private readonly store: Store,
    private readonly lists: DeviceLists,
    private readonly timeline: Timeline,
    private readonly clock: Clock,
    log: Log,
  ) {
    this.looking = new PeriodicWork({
      everyMs: lookEveryMs,
      work: (signal) => this.look(signal),
      onError: (error) => log.warn({ error }, 'windows of the allow list could not be looked at'),
    });
  }

  onApplicationBootstrap(): void {
    this.looking.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looking.stop();
  }

  async look(signal?: AbortSignal): Promise<void> {
    for await (const { item, unchanged } of this.lists.allowed.all()) {
      if (signal?.aborted === true) return;
      if (item.expiredAt === undefined && isOver(item, this.clock.now())) await this.tell(item, unchanged);
    }
  }

  /** Nothing, if another replica has told it, or if the device has come after all. */
  private async tell(item: AllowedDevice, unchanged: Compare): Promise<void> {
    const { deviceId: device, connector, until } = item;
    const event = {
      type: 'expired',
      device,
      ...(connector === undefined ? {} : { connector }),
      payload: { until: until ?? '' },
    } as const;
    const told = this.lists.allowed.put(device, { ...item, expiredAt: this.clock.now().toISOString() });
    await this.store.transaction([unchanged], [told, ...this.timeline.record(event)]);
  }
}
