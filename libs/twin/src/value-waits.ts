import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { WatchEvent } from '@sallyport/store';
import { z } from 'zod';
import type { DeviceState } from './device-state.js';
import { type Alias, currentOf, isUnsynced, type Micros, type Point } from './values.js';

const mostWaitsOfDevice = 16;
const retryMs = 1000;

// Only what is needed to wake somebody: the values of the writes are not read.
const announcement = z.object({
  value: z.object({ by: z.string(), writes: z.array(z.tuple([z.string()], z.unknown())) }),
});

interface ValueWaitsOptions {
  readonly read: (deviceId: string) => Promise<DeviceState>;
  /** What every process announces, from now on. */
  readonly announcements: (signal: AbortSignal) => AsyncIterable<WatchEvent>;
  /** Our name in announcements. */
  readonly self: string;
}

/** Those who wait for values of a device. Writes of other processes are followed only while somebody has ever waited. */
export class ValueWaits {
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly closing = new AbortController();
  private isFollowing = false;

  constructor(private readonly options: ValueWaitsOptions) {}

  async waitForChange(
    deviceId: string,
    alias: Alias,
    { sinceMicros, signal }: { readonly sinceMicros: Micros; readonly signal: AbortSignal },
  ): Promise<Point | undefined> {
    for (;;) {
      // Listen before reading. Otherwise a write between reading and waiting would be missed.
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      const stop = this.listen(deviceId, resolve);
      const onAbort = (): void => resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const { resources } = await this.options.read(deviceId);
        const point = currentOf(resources.get(alias) ?? {});
        if (point !== undefined && point.atMicros > sinceMicros) return point;
        if (signal.aborted) return undefined;
        await woken;
      } finally {
        // A wait may be woken often, and none of that may stay with the signal.
        signal.removeEventListener('abort', onAbort);
        stop();
      }
    }
  }

  onDesired(deviceId: string, listener: (point: Point) => void): () => void {
    const stopped = new AbortController();
    let woken = Promise.withResolvers<void>();
    const stop = this.listen(deviceId, () => woken.resolve());
    void this.tellDesired(deviceId, listener, {
      signal: stopped.signal,
      next: async () => {
        await woken.promise;
        woken = Promise.withResolvers<void>();
      },
    });
    return () => {
      stopped.abort();
      stop();
      woken.resolve();
    };
  }

  wake(deviceId: string): void {
    for (const listener of [...(this.listeners.get(deviceId) ?? [])]) listener();
  }

  close(): void {
    this.closing.abort();
  }

  private async tellDesired(
    deviceId: string,
    listener: (point: Point) => void,
    { signal, next }: { readonly signal: AbortSignal; readonly next: () => Promise<void> },
  ): Promise<void> {
    let told = 0;
    while (!signal.aborted) {
      try {
        const unsynced = await this.unsyncedOf(deviceId, told);
        for (const point of unsynced) if (!signal.aborted) listener(point);
        told = unsynced.at(-1)?.atMicros ?? told;
        await next();
      } catch {
        // The store does not answer. The readiness check tells about that; we only go on afterwards.
        await pause(retryMs, { signal });
      }
    }
  }

  /** Desired values that the device has not acknowledged, oldest first. */
  private async unsyncedOf(deviceId: string, afterMicros: Micros): Promise<Point[]> {
    const { resources } = await this.options.read(deviceId);
    return [...resources.values()]
      .filter(isUnsynced)
      .flatMap(({ desired }) => (desired !== undefined && desired.atMicros > afterMicros ? [desired] : []))
      .sort((a, b) => a.atMicros - b.atMicros);
  }

  private listen(deviceId: string, listener: () => void): () => void {
    const listeners = this.listeners.get(deviceId) ?? new Set();
    if (listeners.size >= mostWaitsOfDevice)
      throw new Problem('rate-limited', `The device waits ${listeners.size} times already. End a wait first.`);
    this.listeners.set(deviceId, listeners.add(listener));
    if (!this.isFollowing) void this.followOthers();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(deviceId) === listeners) this.listeners.delete(deviceId);
    };
  }

  private async followOthers(): Promise<void> {
    this.isFollowing = true;
    const { signal } = this.closing;
    while (!signal.aborted) {
      try {
        for await (const event of this.options.announcements(signal)) if (event.type === 'put') this.hear(event.entry);
        // It ends only with the store.
        return;
      } catch {
        // We have missed announcements: everybody reads again.
        await pause(retryMs, { signal });
        for (const deviceId of [...this.listeners.keys()]) this.wake(deviceId);
      }
    }
  }

  private hear(entry: unknown): void {
    const { by, writes } = announcement.parse(entry).value;
    if (by === this.options.self) return;
    for (const [deviceId] of writes) this.wake(deviceId);
  }
}
