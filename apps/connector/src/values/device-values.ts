import type { ConnectorName, DeviceId } from '@sallyport/protocol';
import type { Micros, Point, Twin, WriteSource } from '@sallyport/twin';
import { checkSettable, hasNoSchema, isListed, type Resources } from './resource-schema.js';

/** A device that is connected, and by what rules. */
export interface DeviceContact {
  readonly deviceId: DeviceId;
  readonly connector: ConnectorName;
  readonly protocol: 'https' | 'mqtt';
  /** The network address of the device. */
  readonly address: string;
  /** The schema of the values. If it is empty, every value is kept. */
  readonly resources: Resources;
}

/** Values that an administrator sets for a device. */
export interface DesiredValues {
  readonly deviceId: DeviceId;
  readonly connector: ConnectorName;
  readonly resources: Resources;
  readonly values: ReadonlyMap<string, string>;
  /** Who sets them: `admin:alice`. */
  readonly actor: string;
}

/**
 * What devices do with their values, over every protocol. A write is durable when it resolves, and its event follows.
 *
 * Every method throws Problem `invalid-request` and `too-large` for what breaks `twinLimits` (HTTP 400 and 413), and
 * `unavailable` or `storage-full` of the store (503 and 507): then nothing is acknowledged.
 */
export class DeviceValues {
  constructor(private readonly twin: Twin) {}

  /**
   * Writes values of this moment. All get the same time. Values that the schema does not know are told in the event, and
   * not kept. A value that was desired is acknowledged by it.
   *
   * @returns the time of the write
   */
  writeAll(contact: DeviceContact, values: ReadonlyMap<string, string>): Promise<Micros> {
    const source = sourceOf(contact);
    if (hasNoSchema(contact.resources)) return this.twin.write(contact.deviceId, values, { source });
    const [listed, unlisted] = [new Map<string, string>(), new Map<string, string>()];
    for (const [alias, value] of values) (isListed(contact.resources, alias) ? listed : unlisted).set(alias, value);
    return this.twin.write(contact.deviceId, listed, { unlisted, source });
  }

  /** Writes values of the past: history that the device has collected. */
  record(contact: DeviceContact, points: readonly Point[]): Promise<Micros> {
    const [listed, unlisted]: [Point[], Point[]] = [[], []];
    for (const point of points) (isListed(contact.resources, point.alias) ? listed : unlisted).push(point);
    return this.twin.record(contact.deviceId, listed, { unlisted, source: sourceOf(contact) });
  }

  /**
   * The present values of some aliases in this order, without those that have none. It is the desired value, until the
   * device has written a later one.
   */
  read({ deviceId }: Pick<DeviceContact, 'deviceId'>, aliases: readonly string[]): Promise<ReadonlyMap<string, Point>> {
    return this.twin.read(deviceId, aliases);
  }

  /**
   * The present value of an alias as soon as it is later than `sinceMicros`; undefined when the signal ends the wait.
   *
   * @throws Problem `rate-limited`: the device waits 16 times already
   */
  longPoll(
    { deviceId }: Pick<DeviceContact, 'deviceId'>,
    alias: string,
    options: { readonly sinceMicros: Micros; readonly signal: AbortSignal },
  ): Promise<Point | undefined> {
    return this.twin.waitForChange(deviceId, alias, options);
  }

  /**
   * Calls the listener with each desired value that the device has not acknowledged: first those of before, then each
   * new one. Ends when the returned function is called.
   *
   * @throws Problem `rate-limited`, as `longPoll`
   */
  onDesired({ deviceId }: Pick<DeviceContact, 'deviceId'>, listener: (point: Point) => void): () => void {
    return this.twin.onDesired(deviceId, listener);
  }

  /** Guards what is to be set. @throws Problem `invalid-request`, as `desire` */
  checkDesired({ resources, values }: Pick<DesiredValues, 'resources' | 'values'>): void {
    for (const [alias, value] of values) checkSettable(resources, alias, value);
  }

  /**
   * Sets values for a device.
   *
   * @throws Problem `invalid-request`: the schema says that a value is not settable, or does not allow it
   */
  async desire(desired: DesiredValues): Promise<Micros> {
    this.checkDesired(desired);
    const { deviceId, connector, values, actor } = desired;
    return this.twin.desire(deviceId, values, { source: { connector, actor } });
  }
}

function sourceOf({ connector, protocol, address }: DeviceContact): WriteSource {
  return { connector, protocol, address };
}
