import { randomUUID } from 'node:crypto';
import { type JsonValue, type Operation, Outbox, type Store } from '@sallyport/store';
import { Backlog } from './backlog.js';
import { DeviceStates, seriesKey } from './device-states.js';
import { type HistoryOptions, readHistory } from './history.js';
import { HistorySweeper } from './history-sweeper.js';
import { checkAlias, checkCount, checkValue, invalid, twinLimits } from './limits.js';
import { defaultRetention, type RetentionBounds } from './retention.js';
import {
  deviceWriteFrom,
  parseAnnouncedWrites,
  parseStoredWrite,
  type StoredValue,
  type StoredWrite,
} from './stored-write.js';
import { ValueWaits } from './value-waits.js';
import {
  type Alias,
  currentOf,
  type DeviceWrite,
  type Micros,
  type Point,
  type Resource,
  type WriteSource,
} from './values.js';
import { type Announced, WriteQueue } from './write-queue.js';

const announcementPrefix = 'announced/';

export interface TwinOptions {
  readonly clock: { now(): Date };
  readonly retention?: Partial<RetentionBounds>;
  /** About how much memory the states of the devices used last may take. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** About how many bytes of writes may wait to be published. When they are there, no more is taken. Default 256 MiB. */
  readonly unpublishedBytes?: number;
}

export interface WriteOptions {
  readonly source?: WriteSource;
  /** Values that the schema of the device does not know: told in the event, kept in the history of writes, never read. */
  readonly unlisted?: ReadonlyMap<Alias, string>;
  /** Changes of the same transaction, such as an event. Called again for each attempt. */
  readonly recordWith?: (atMicros: Micros) => Operation[];
}

export interface RecordOptions extends Omit<WriteOptions, 'unlisted'> {
  readonly unlisted?: readonly Point[];
}

export interface WaitOptions {
  /** Only a value with a later time. */
  readonly sinceMicros: Micros;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

export interface TwinRunOptions {
  readonly signal: AbortSignal;
  /** Publishes one write. It may be called again for the same write, also after a restart. */
  readonly publish: (write: DeviceWrite) => Promise<void>;
  readonly onRetry?: (error: unknown, attempt: number) => void;
}

/**
 * The values of devices: what each device reported, what is desired of it, and the history.
 *
 * Everything lies below the scope of the given store. Several processes may have twins of the same store: each reads what
 * the others wrote, and the times of a device are strictly increasing over all of them.
 */
export class Twin {
  private readonly states: DeviceStates;
  private readonly queue: WriteQueue;
  private readonly outbox: Outbox;
  private readonly waits: ValueWaits;
  private readonly sweeper: HistorySweeper;
  private readonly backlog: Backlog;
  private readonly self = randomUUID();

  constructor(
    private readonly store: Store,
    private readonly options: TwinOptions,
  ) {
    const bounds = { ...defaultRetention, ...options.retention };
    this.states = new DeviceStates(store, bounds, options.cacheBytes ?? 64 * 1024 * 1024);
    this.outbox = new Outbox(store, announcementPrefix);
    this.waits = new ValueWaits({
      read: (deviceId) => this.states.read(deviceId),
      announcements: (signal) => store.watch(announcementPrefix, { signal }),
      self: this.self,
    });
    this.sweeper = new HistorySweeper(store, { bounds, nowMicros: () => this.nowMicros() });
    this.backlog = new Backlog({
      mostBytes: options.unpublishedBytes ?? 256 * 1024 * 1024,
      messages: () => this.outbox.waiting(),
    });
    this.queue = new WriteQueue({
      store,
      states: this.states,
      nowMicros: () => this.nowMicros(),
      announce: (writes) => this.announce(writes),
      onCommitted: (writes) => this.backlog.recorded(writes),
      onWritten: (deviceId) => this.waits.wake(deviceId),
    });
  }

  /**
   * Writes values that the device reports now. All get one time, which is later than that of every write before. A value
   * with a desired one is acknowledged by it.
   *
   * @returns the time of the write; it is durable then
   * @throws Problem `invalid-request`, `too-large`: see `twinLimits`. Nothing was written
   * @throws Problem `unavailable`: too much waits to be published. Nothing was written
   */
  async write(deviceId: string, values: ReadonlyMap<Alias, string>, options: WriteOptions = {}): Promise<Micros> {
    const { unlisted = new Map<Alias, string>() } = options;
    const write = { values: storedValues(values), unlisted: storedValues(unlisted) };
    return this.enqueue(deviceId, { kind: 'reported', ...write }, options);
  }

  /**
   * Writes values of the past. They become part of the history. A value is the present one only if it is newer.
   *
   * @throws Problem `invalid-request`, `too-large`, as `write`; also if a point is of the future
   */
  async record(deviceId: string, points: readonly Point[], options: RecordOptions = {}): Promise<Micros> {
    const { unlisted = [] } = options;
    const latest = this.nowMicros() + twinLimits.clockSkewMicros;
    const write = { values: storedPoints(points, latest), unlisted: storedPoints(unlisted, latest) };
    return this.enqueue(deviceId, { kind: 'recorded', ...write }, options);
  }

  /** Sets values for the device. It reads them, and acknowledges each by writing it. Throws as `write`. */
  async desire(
    deviceId: string,
    values: ReadonlyMap<Alias, string>,
    options: Omit<WriteOptions, 'unlisted'> = {},
  ): Promise<Micros> {
    return this.enqueue(deviceId, { kind: 'desired', values: storedValues(values), unlisted: [] }, options);
  }

  /** The present values of some aliases, in their order. Aliases without a value are left out. */
  async read(deviceId: string, aliases: readonly Alias[]): Promise<ReadonlyMap<Alias, Point>> {
    const { resources } = await this.states.read(deviceId);
    const points = new Map<Alias, Point>();
    for (const alias of aliases) {
      const point = currentOf(resources.get(alias) ?? {});
      if (point !== undefined) points.set(alias, point);
    }
    return points;
  }

  /** Everything that is known of a device now. */
  async resources(deviceId: string): Promise<ReadonlyMap<Alias, Resource>> {
    const { resources } = await this.states.read(deviceId);
    return new Map(resources);
  }

  /** What the device reported, newest first. */
  async history(deviceId: string, options: HistoryOptions = {}): Promise<Point[]> {
    const { newestRecorded } = await this.states.read(deviceId);
    return readHistory(this.store, { deviceId, newestRecorded }, options);
  }

  /**
   * Writes of a device, newest first, for a timeline.
   *
   * @param limit at most 1000; fewer come if the writes are large, and none only at the end
   */
  async writes(
    deviceId: string,
    { beforeMicros, limit }: { readonly beforeMicros?: Micros; readonly limit: number },
  ): Promise<DeviceWrite[]> {
    for (let before = beforeMicros; ; ) {
      const from = before === undefined ? {} : { before };
      const items = await this.store.range(seriesKey(deviceId), { ...from, limit, newestFirst: true });
      const writes = items.flatMap(({ id, value }) => deviceWriteFrom(deviceId, id, parseStoredWrite(value)) ?? []);
      // Some items are no writes of values.
      if (writes.length > 0 || items.length === 0) return writes;
      before = items.at(-1)?.id;
    }
  }

  /** Removes every value of a device, and its history. */
  async forget(deviceId: string): Promise<void> {
    await this.queue.write(deviceId, { kind: 'forgotten', values: [], source: {} });
  }

  /**
   * Removes what is known of some aliases: reported and desired. Their history stays. An alias that got a later value than
   * `untilMicros`, maybe from another process, stays as it is. It is durable then, and no event.
   */
  async forgetAliases(
    deviceId: string,
    aliases: Iterable<Alias>,
    { untilMicros }: { readonly untilMicros: Micros },
  ): Promise<void> {
    const values = [...aliases].map((alias): StoredValue => [alias, '', untilMicros]);
    if (values.length > 0) await this.queue.write(deviceId, { kind: 'removed', values, source: {} });
  }

  /** The present value of an alias, when it is later than `sinceMicros`; undefined when the signal ended the wait. */
  waitForChange(deviceId: string, alias: Alias, options: WaitOptions): Promise<Point | undefined> {
    return this.waits.waitForChange(deviceId, alias, options);
  }

  /**
   * Calls the listener with each desired value that waits for the device: first those of before, then each new one. Ends
   * when the returned function is called.
   */
  onDesired(deviceId: string, listener: (point: Point) => void): () => void {
    return this.waits.onDesired(deviceId, listener);
  }

  /**
   * Publishes every write at least once, in the order of commits for each device, until the signal aborts. Also removes
   * history that is too old. If several processes run it, a write may be published twice.
   */
  async run({ signal, publish, onRetry }: TwinRunOptions): Promise<void> {
    const publishAll = async (_topic: string, announced: JsonValue): Promise<void> => {
      const { writes } = parseAnnouncedWrites(announced);
      const told = writes.flatMap(([deviceId, atMicros, write]) => deviceWriteFrom(deviceId, atMicros, write) ?? []);
      await Promise.all(told.map(publish));
      this.backlog.published(writes);
    };
    await this.backlog.count().catch((error: unknown) => onRetry?.(error, 1));
    const options = onRetry === undefined ? { signal } : { signal, onRetry };
    await Promise.all([this.outbox.run(publishAll, options), this.sweeper.run(signal)]);
  }

  /** Ends every wait for other processes. */
  close(): void {
    this.waits.close();
  }

  private async enqueue(
    deviceId: string,
    { unlisted, ...write }: Omit<StoredWrite, 'source'> & { readonly unlisted: StoredValue[] },
    { source = {}, recordWith }: Pick<WriteOptions, 'source' | 'recordWith'>,
  ): Promise<Micros> {
    checkCount(write.values.length + unlisted.length);
    if (this.backlog.isFull) await this.backlog.requireRoom();
    return this.queue.write(deviceId, { ...write, ...(unlisted.length === 0 ? {} : { unlisted }), source }, recordWith);
  }

  private nowMicros(): Micros {
    return this.options.clock.now().getTime() * 1000;
  }

  private announce(writes: readonly Announced[]): Operation {
    const message = writes.map(([deviceId, atMicros, write]) => [deviceId, atMicros, write]);
    return this.outbox.record('writes', { by: this.self, writes: message });
  }
}

function storedValues(values: ReadonlyMap<Alias, string>): StoredValue[] {
  return [...values].map(([alias, value]): StoredValue => {
    checkAlias(alias);
    checkValue(alias, value);
    return [alias, value];
  });
}

function storedPoints(points: readonly Point[], latestMicros: Micros): StoredValue[] {
  return points.map(({ alias, value, atMicros }): StoredValue => {
    checkAlias(alias);
    checkValue(alias, value);
    if (!Number.isSafeInteger(atMicros) || atMicros < 0 || atMicros > latestMicros)
      throw invalid(`The value of ${JSON.stringify(alias)} has the time ${atMicros} µs, which is not in the past.`);
    return [alias, value, atMicros];
  });
}
