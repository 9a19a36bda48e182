import { randomUUID } from 'node:crypto';
import { type BackOff, backOffMs, pause, within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import type { Entry, JsonValue, Operation, Store } from './store.js';

const defaultRetries = { firstMs: 100, longestMs: 30_000, jitter: 0.25 };
const pageSize = 100;

// The store has parsed it as JSON already, so any payload is valid.
const message = z.object({ topic: z.string(), payload: z.custom<JsonValue>((value) => value !== undefined) });

type Publish = (topic: string, payload: JsonValue) => Promise<void>;

export interface OutboxRunOptions {
  /** Stops the run after the messages under way. */
  readonly signal: AbortSignal;
  /** Called after each failed attempt, for the log. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** How long to wait after failed attempts; 100 ms to 30 s when absent. */
  readonly retries?: BackOff;
  /** 0 to 1, spreads the attempts of several processes; `Math.random` when absent. */
  readonly random?: () => number;
}

/**
 * Publishes an event if, and only if, the change it describes is committed. `record` gives an operation for the
 * transaction of the change. `run` publishes what is recorded, also what a process recorded before it crashed. Each
 * event is delivered at least once, in the order of commits in each lane. If several processes run the same outbox, an
 * event may be published twice. So receivers must be idempotent.
 *
 * @example
 *   await store.transaction(compares, [{ put: key, value: device }, outbox.record(deviceChanged.topic, event)]);
 */
export class Outbox {
  private lastMicros = 0;

  /** @param prefix of the keys of waiting messages, such as `outbox/`; nothing else may have it */
  constructor(
    private readonly store: Store,
    private readonly prefix: string,
  ) {}

  /**
   * The operation that queues a message. Make a new one for each attempt of the transaction.
   *
   * @param lane messages of different lanes are published side by side, such as those of different devices. It is a
   *   segment of a key; without it the message is in the lane of all messages without one
   */
  record(topic: string, payload: JsonValue, lane?: string): Operation {
    // Keys are ordered by time. If the clock is set back, messages of this process must keep their order.
    // Whole microseconds: in steps of 0.001 ms, a floating-point number would give some keys twice.
    this.lastMicros = Math.max(this.lastMicros + 1, Date.now() * 1000);
    const stamp = `${Math.floor(this.lastMicros / 1000)}.${String(this.lastMicros % 1000).padStart(3, '0')}`.padStart(
      18,
      '0',
    );
    const place = lane === undefined ? this.prefix : this.laneOf(lane);
    return { put: `${place}${stamp}-${randomUUID()}`, value: { topic, payload } };
  }

  /**
   * Resolves when all messages of a lane that are recorded now have been published, by this process or another one.
   *
   * @throws Problem `unavailable`: the deadline passed before that
   */
  async settled(lane: string, { deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    const place = this.laneOf(lane);
    const { entries } = await this.store.list(place, { limit: 1000 });
    const last = entries.at(-1);
    if (last === undefined) return;
    const stop = new AbortController();
    const late = () => new Problem('unavailable', `Not all events of "${lane}" could be published yet. Try again.`);
    try {
      await within(this.untilPast(last.key, place, stop.signal), deadlineMs, { late });
    } finally {
      stop.abort();
    }
  }

  /** The payloads of the messages that wait now. */
  async *waiting(): AsyncGenerator<JsonValue> {
    for await (const { value } of this.store.listAll(this.prefix, { pageSize: 20 })) yield message.parse(value).payload;
  }

  private async untilPast(key: string, place: string, signal: AbortSignal): Promise<void> {
    // Watch before reading. Otherwise a deletion in between would not be noticed.
    const changes = this.store.watch(place, { signal });
    if (await this.isPast(key, place)) return;
    for await (const { type } of changes) if (type === 'delete' && (await this.isPast(key, place))) return;
  }

  private async isPast(key: string, place: string): Promise<boolean> {
    const [first] = (await this.store.list(place, { limit: 1 })).entries;
    return first === undefined || first.key > key;
  }

  private laneOf(lane: string): string {
    return `${this.prefix}lane/${lane}/`;
  }

  /**
   * Publishes until the signal aborts, then resolves: in each lane message after message. After `publish` has resolved,
   * the message is removed. If it rejects, the same message is tried again, after longer and longer waits.
   */
  async run(publish: Publish, options: OutboxRunOptions): Promise<void> {
    const { signal, onRetry, retries = defaultRetries, random = Math.random } = options;
    let failures = 0;
    const onProgress = (): void => {
      failures = 0;
    };
    while (!signal.aborted) {
      try {
        await this.publishUntilAborted(publish, signal, onProgress);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        onRetry?.(error, failures);
        await pause(backOffMs(failures, retries, random()), { signal });
      }
    }
  }

  private async publishUntilAborted(publish: Publish, signal: AbortSignal, onProgress: () => void): Promise<void> {
    // Watch before reading. Otherwise a message recorded in between would wait until the next one comes.
    const changes = this.store.watch(this.prefix, { signal });
    let published = await this.publishWaiting(publish, signal, onProgress);
    for await (const change of changes) {
      if (change.type === 'delete' || change.entry.revision <= published) continue;
      published = await this.publishWaiting(publish, signal, onProgress);
    }
  }

  /** Publishes all waiting messages and returns their newest revision. */
  private async publishWaiting(publish: Publish, signal: AbortSignal, onProgress: () => void): Promise<number> {
    let newest = 0;
    let isEmpty = false;
    while (!isEmpty && !signal.aborted) {
      isEmpty = true;
      // Always a whole round: a busy lane at the beginning must not keep the others waiting for ever.
      for await (const entries of this.store.listPages(this.prefix, { pageSize })) {
        if (entries.length === 0 || signal.aborted) break;
        isEmpty = false;
        await this.publishPage(entries, publish, signal);
        newest = Math.max(newest, ...entries.map(({ revision }) => revision));
        onProgress();
      }
    }
    return newest;
  }

  private async publishPage(entries: readonly Entry[], publish: Publish, signal: AbortSignal): Promise<void> {
    const published: Operation[] = [];
    const lanes = Map.groupBy(
      entries.toSorted((a, b) => a.revision - b.revision),
      ({ key }) => key.slice(0, key.lastIndexOf('/')),
    );
    const publishLane = async (lane: readonly Entry[]): Promise<void> => {
      for (const { key, value } of lane) {
        if (signal.aborted) return;
        const { topic, payload } = message.parse(value);
        await publish(topic, payload);
        published.push({ delete: key });
      }
    };
    const outcomes = await Promise.allSettled([...lanes.values()].map(publishLane));
    // One transaction for the page: many events need one durable write, not one each.
    if (published.length > 0) await this.store.transaction([], published);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
