import { randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Mqtt } from '@sallyport/mqtt';
import {
  type DeviceEvent,
  type DeviceId,
  deviceEventIdOf,
  deviceEventTopic,
  isoMicros,
  type NewDeviceEvent,
  type TimelineQuestion,
} from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { type Operation, Outbox, Store } from '@sallyport/store';

/**
 * The events of devices that a service knows. It is a provider of the service: it publishes from start to shutdown.
 *
 * An event is recorded in the transaction of the change that it is about, so there is no change without its event. It
 * is published at least once on `sallyport/events/<connector or "site">/<device>`, in the order of commits for each
 * device. It keeps everything below `timeline/` in the service's part of the store.
 *
 * @example
 *   await store.transaction(compares, [{ put: key, value: device }, ...timeline.record({ type: 'locked', device })]);
 */
@Injectable()
export class Timeline implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly outbox: Outbox;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private lastMicros = 0;

  constructor(
    store: Store,
    private readonly mqtt: Mqtt,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.outbox = new Outbox(store, 'timeline/outbox/');
  }

  onApplicationBootstrap(): void {
    const publish = (topic: string, payload: unknown) => this.mqtt.publish(topic, JSON.stringify(payload));
    const onRetry = (error: unknown, attempt: number) =>
      this.log.warn({ error, attempt }, 'event of a device could not be published, will try again');
    this.running = this.outbox.run(publish, { signal: this.stopping.signal, onRetry });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /**
   * The operations that publish an event, and keep it in the timeline of the device. Make new ones for each attempt of
   * the transaction.
   */
  record(event: NewDeviceEvent): Operation[] {
    return this.announce(event);
  }

  /** As `record`, for events that need no second place, because they can be told from other data: `data_in`. */
  announce(event: NewDeviceEvent): Operation[] {
    const stamped = this.stamp(event);
    return [this.outbox.record(deviceEventTopic(stamped), stamped, stamped.device)];
  }

  /**
   * Waits until everything that is recorded of a device has been published (PUBACK), by this process or another one.
   *
   * @throws Problem `unavailable`: the deadline has passed
   */
  settled(device: DeviceId, options: { readonly deadlineMs: number }): Promise<void> {
    return this.outbox.settled(device, options);
  }

  /** Events of a device, newest first. */
  async events(_question: TimelineQuestion): Promise<DeviceEvent[]> {
    return [];
  }

  /** The operations that remove the timeline of a device. What waits to be published is published. */
  forget(_device: DeviceId): Operation[] {
    return [];
  }

  /** The event with its id and its time, which are strictly increasing in this process. */
  private stamp({ atMicros, ...event }: NewDeviceEvent): DeviceEvent {
    this.lastMicros = Math.max(this.lastMicros + 1, this.clock.now().getTime() * 1000);
    const micros = atMicros ?? this.lastMicros;
    return { ...event, id: deviceEventIdOf(micros, randomBytes(8).toString('hex')), at: isoMicros(micros) };
  }
}
