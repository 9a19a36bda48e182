import { createHash } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Mqtt } from '@sallyport/mqtt';
import {
  type DeviceEvent,
  type DeviceId,
  deviceEventIdOf,
  deviceEventTopic,
  deviceId,
  isoMicros,
  type TimelineQuestion,
} from '@sallyport/protocol';
import { Log } from '@sallyport/runtime';
import { type DeviceWrite, Twin } from '@sallyport/twin';

/**
 * The events `data_in` and `data_out` of a service with values of devices. They are told from the writes themselves: each
 * write is published at least once, and the timeline of a device reads its history. So no write is kept twice.
 */
@Injectable()
export class ValueEvents implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly twin: Twin,
    private readonly mqtt: Mqtt,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.twin.run({
      signal: this.stopping.signal,
      publish: (write) => this.publish(write),
      onRetry: (error, attempt) =>
        this.log.warn({ error, attempt }, 'values of devices could not be published, will try again'),
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.twin.close();
    await this.running;
  }

  /** Events of a device, newest first. Fewer than the limit come if they are large, and none only at the end. */
  async events({ deviceId: device, before, limit }: TimelineQuestion): Promise<DeviceEvent[]> {
    if (before === undefined) return (await this.twin.writes(device, { limit })).map(eventOf);
    const micros = Number.parseInt(before.slice(0, 16), 16);
    // The write of this very microsecond is the event `before` itself, or comes before it by its id.
    const upTo = await this.twin.writes(device, { beforeMicros: micros + 1, limit });
    const events = upTo.map(eventOf).filter(({ id }) => id < before);
    if (events.length > 0 || upTo.length === 0) return events;
    return (await this.twin.writes(device, { beforeMicros: micros, limit })).map(eventOf);
  }

  private publish(write: DeviceWrite): Promise<void> {
    const event = eventOf(write);
    return this.mqtt.publish(deviceEventTopic(event), JSON.stringify(event));
  }
}

function eventOf(write: DeviceWrite): DeviceEvent {
  const device = deviceId.parse(write.deviceId);
  const { connector, protocol, address, actor } = write.source;
  return {
    id: deviceEventIdOf(write.atMicros, uniqueOf(device)),
    type: write.kind === 'desired' ? 'data_out' : 'data_in',
    device,
    ...(connector === undefined ? {} : { connector }),
    at: isoMicros(write.atMicros),
    ...(protocol === undefined ? {} : { protocol }),
    ...(address === undefined ? {} : { address }),
    ...(actor === undefined ? {} : { actor }),
    payload: payloadOf(write),
  };
}

/** The same each time, because a write may be published twice. A device has one write in a microsecond. */
function uniqueOf(device: DeviceId): string {
  return createHash('sha256').update(device).digest('hex').slice(0, 16);
}

/** `{ values }` of this moment, or for values of the past `{ recorded: [{ at, values }] }`. */
function payloadOf({ kind, points }: DeviceWrite): NonNullable<DeviceEvent['payload']> {
  if (kind !== 'recorded') return { values: Object.fromEntries(points.map(({ alias, value }) => [alias, value])) };
  const recorded = points.map(({ alias, value, atMicros }) => ({
    at: isoMicros(atMicros),
    values: { [alias]: value },
  }));
  return { recorded };
}
