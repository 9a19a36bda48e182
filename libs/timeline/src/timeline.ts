import { randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Mqtt } from '@sallyport/mqtt';
import {
  type DeviceEvent,
  type DeviceEventId,
  type DeviceId,
  deviceEvent,
  deviceEventIdOf,
  deviceEventTopic,
  isoMicros,
  type NewDeviceEvent,
  type TimelineQuestion,
} from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { type Operation, Outbox, Store } from '@sallyport/store';

const mostKept = 1000;
// Brokers take messages of 1 MiB. One event is smaller than this: the values of one write are.
const mostMessageBytes = 950_000;

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
    private readonly store: Store,
    private readonly mqtt: Mqtt,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.outbox = new Outbox(store, 'timeline/outbox/');
  }

  onApplicationBootstrap(): void {
    const publish = (topic: string, payload: unknown) => this.mqtt.publish(topic, JSON.stringify(payload));
    const faults = new FaultLog(this.log, this.clock, 'event of a device could not be published, will try again');
    this.running = this.outbox.run(publish, { signal: this.stopping.signal, onRetry: faults.note });
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
    const stamped = this.stamp(event);
    const { id, device } = stamped;
    const series = seriesOf(device);
    const kept: Operation = { append: series, value: stamped, at: microsOf(id) };
    // To trim each time would be a second search for each event.
    const isTrimmed = id.endsWith('0');
    const published = this.outbox.record(deviceEventTopic(stamped), stamped, device);
    return [published, kept, ...(isTrimmed ? [{ trim: series, keep: mostKept }] : [])];
  }

  /**
   * Waits until everything that is recorded of a device has been published (PUBACK), by this process or another one.
   *
   * @throws Problem `unavailable`: the deadline has passed
   */
  settled(device: DeviceId, options: { readonly deadlineMs: number }): Promise<void> {
    return this.outbox.settled(device, options);
  }

  /** Events of a device that were recorded, newest first. At least the newest 1,000 are kept. */
  async events({ deviceId: device, before, limit }: TimelineQuestion): Promise<DeviceEvent[]> {
    const items = await this.store.range(seriesOf(device), { newestFirst: true, limit: mostKept });
    const events = items.map(({ value }) => deviceEvent.parse(value));
    // A clock that was set back makes later events with smaller ids, so the series is not always in the order of ids.
    return newestFirst(events.filter(({ id }) => before === undefined || id < before)).slice(0, limit);
  }

  /** The operations that remove the timeline of a device. What waits to be published is still published. */
  forget(device: DeviceId): Operation[] {
    return [{ drop: seriesOf(device) }];
  }

  /** The event with its id and its time, which are strictly increasing in this process. */
  private stamp({ atMicros, ...event }: NewDeviceEvent): DeviceEvent {
    this.lastMicros = Math.max(this.lastMicros + 1, this.clock.now().getTime() * 1000);
    const micros = atMicros ?? this.lastMicros;
    const id = deviceEventIdOf(micros, randomBytes(8).toString('hex'));
    return { id, at: isoMicros(micros), ...event };
  }
}

/** Names differ in more than upper and lower case, so one spelling is one timeline. */
function seriesOf(device: DeviceId): string {
  return `timeline/device/${device.toLowerCase()}`;
}

function microsOf(id: DeviceEventId): number {
  return Number.parseInt(id.slice(0, 16), 16);
}

/**
 * One page of a timeline that several sources know a part of.
 *
 * A source may tell fewer events than it was asked for, although it has more; only if it tells none it has none. So what
 * is older than the last event of a source is left for the next page: that source may have something newer.
 *
 * @param parts of each source its newest events, newest first
 */
export function mergedPage(parts: readonly (readonly DeviceEvent[])[], limit: number): DeviceEvent[] {
  const lasts = parts.flatMap((events) => events.at(-1)?.id ?? []);
  const oldest = lasts.toSorted().at(-1) ?? '';
  return newestFirst(parts.flat().filter(({ id }) => id >= oldest)).slice(0, limit);
}

/** As many events, from the first on, as one message between services may have; at least one. */
export function withinMessage(events: readonly DeviceEvent[]): DeviceEvent[] {
  let bytes = 0;
  const fitting = events.findIndex((event, index) => {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    return index > 0 && bytes > mostMessageBytes;
  });
  return fitting < 0 ? [...events] : events.slice(0, fitting);
}

/** Puts events of one or more services in the order of a timeline. */
function newestFirst(events: readonly DeviceEvent[]): DeviceEvent[] {
  return events.toSorted((one, other) => (one.id < other.id ? 1 : Number(one.id > other.id) * -1));
}
