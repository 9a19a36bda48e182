import type { ConnectorName } from '@sallyport/protocol';

/** Names one value of a device, such as `temperature`. At most 128 bytes, without `.` and `$`. */
export type Alias = string;

/** Microseconds since 1970-01-01 UTC. */
export type Micros = number;

/** One value of one moment. Every value is text, as devices send it. */
export interface Point {
  readonly alias: Alias;
  readonly value: string;
  readonly atMicros: Micros;
}

/** What is known of one alias: the last value from the device, and the last value for the device. */
export interface Resource {
  readonly reported?: Point;
  /** The device has acknowledged it when `reported` has the same or a later time. */
  readonly desired?: Point;
}

/** Who made a write, for its event. */
export interface WriteSource {
  readonly connector?: ConnectorName;
  readonly protocol?: 'https' | 'mqtt' | 'coap';
  /** Network address of the device. */
  readonly address?: string;
  /** Who set a desired value: `admin:alice`. */
  readonly actor?: string;
}

/**
 * One write, as it is kept in the history and published as an event.
 *
 * - `reported`: the device wrote values. All have the time of the write.
 * - `recorded`: the device wrote values of the past. Each has its own time.
 * - `desired`: values were set for the device.
 */
export interface DeviceWrite {
  readonly deviceId: string;
  readonly kind: 'reported' | 'recorded' | 'desired';
  /** The time of the write. Strictly increasing for each device. */
  readonly atMicros: Micros;
  readonly points: readonly Point[];
  readonly source: WriteSource;
}

/** The value that a device reads: the desired one, unless the device has written a later one. */
export function currentOf({ reported, desired }: Resource): Point | undefined {
  if (reported === undefined || desired === undefined) return reported ?? desired;
  return desired.atMicros > reported.atMicros ? desired : reported;
}

/** Whether a desired value waits for the device: the device has not written the alias since. */
export function isUnsynced({ reported, desired }: Resource): boolean {
  return desired !== undefined && (reported === undefined || desired.atMicros > reported.atMicros);
}
