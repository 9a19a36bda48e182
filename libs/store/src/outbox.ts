import { randomUUID } from 'node:crypto';
import { backOffMs, pause } from '@sallyport/concurrency';
import { z } from 'zod';
import type { Entry, JsonValue, Operation, Store } from './store.js';

const retries = { firstMs: 100, longestMs: 30_000, jitter: 0.25 };
const pageSize = 100;

// The store has parsed it as JSON already, so any payload is valid.
const message = z.object({ topic: z.string(), payload: z.custom<JsonValue>((value) => value !== undefined) });

export interface OutboxRunOptions {
  /** Stops the run after the message under way. */
  readonly signal: AbortSignal;
  /** Called after each failed attempt, for the log. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** 0 to 1, spreads the attempts of several processes; `Math.random` when absent. */
  readonly random?: () => number;
}

/**
 * Publishes an event if, and only if, the change it describes is committed. `record` gives an operation for the
 * transaction of the change. `run` publishes what is recorded, also what a process recorded before it crashed. Each
 * event is delivered at least once, in the order of commits. If several processes run the same outbox, an event may be
 * published twice. So receivers must be idempotent.
 *
 * @example
 *   await store.transaction(compares, [{ put: key, value: device }, outbox.record(deviceChanged.topic, event)]);
 */
export class Outbox {
  private lastStamp = 0;

  /** @param prefix of the keys of waiting messages, such as `outbox/`; nothing else may have it */
  constructor(
    private readonly store: Store,
    private readonly prefix: string,
  ) {}

  /** The operation that queues a message. Make a new one for each attempt of the transaction. */
  record(topic: string, payload: JsonValue): Operation {
    // Keys are ordered by time. If the clock is set back, messages of this process must keep their order.
    this.lastStamp = Math.max(this.lastStamp + 0.001, Date.now());
    const stamp = this.lastStamp.toFixed(3).padStart(18, '0');
    return { put: `${this.prefix}${stamp}-${randomUUID()}`, value: { topic, payload } };
  }

  /**
   * Publishes message after message until the signal aborts, then resolves. After `publish` has resolved, the message
   * is removed. If it rejects, the same message is tried again after 100 ms, then 200 ms, and so on up to 30 s.
   */
  async run(
    publish: (topic: string, payload: JsonValue) => Promise<void>,
    { signal, onRetry, random = Math.random }: OutboxRunOptions,
  ): Promise<void> {
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

  private async publishUntilAborted(
    publish: (topic: string, payload: JsonValue) => Promise<void>,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<void> {
    // Watch before reading. Otherwise a message recorded in between would wait until the next one comes.
    const changes = this.store.watch(this.prefix, { signal });
    let published = await this.publishWaiting(publish, signal, onProgress);
    for await (const change of changes) {
      if (change.type === 'delete' || change.entry.revision <= published) continue;
      published = await this.publishWaiting(publish, signal, onProgress);
    }
  }

  /** Publishes all waiting messages and returns their newest revision. */
  private async publishWaiting(
    publish: (topic: string, payload: JsonValue) => Promise<void>,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<number> {
    let newest = 0;
    while (!signal.aborted) {
      const { entries } = await this.store.list(this.prefix, { limit: pageSize });
      if (entries.length === 0) return newest;
      const inCommitOrder = entries.toSorted((a, b) => a.revision - b.revision);
      await this.publishPage(inCommitOrder, publish, signal);
      newest = Math.max(newest, ...inCommitOrder.map(({ revision }) => revision));
      onProgress();
    }
    return newest;
  }

  private async publishPage(
    entries: readonly Entry[],
    publish: (topic: string, payload: JsonValue) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const published: Operation[] = [];
    try {
      for (const { key, value } of entries) {
        if (signal.aborted) return;
        const { topic, payload } = message.parse(value);
        await publish(topic, payload);
        published.push({ delete: key });
      }
    } finally {
      // One transaction for the page: many events need one durable write, not one each.
      if (published.length > 0) await this.store.transaction([], published);
    }
  }
}
