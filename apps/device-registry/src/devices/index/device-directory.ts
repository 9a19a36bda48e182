import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { BoundedMap, backOffMs, pause, within } from '@sallyport/concurrency';
import { type DeviceId, type DeviceState, Problem, type RegistryStatus } from '@sallyport/protocol';
import { Log } from '@sallyport/runtime';
import { type Entry, Store } from '@sallyport/store';
import { dayMs } from '../../expiry/expiry-warning.js';
import { deviceKey, devicePrefix } from '../device-keys.js';
import { foldedName } from '../device-record.js';
import { indexedPartsOf } from '../stored-record.js';
import { DeviceIndex, type IndexedDevice, type IndexRange } from './device-index.js';
import type { IndexFilter } from './indexed-columns.js';

const entriesAtOnce = 500;
// How long a question waits for the end of the reading after a start. A fleet of some ten thousand is read by then.
const patienceMs = 3_000;
const mostRevisions = 100_000;
const retries = { firstMs: 250, longestMs: 10_000, jitter: 0.25 };

/**
 * Finds devices by other things than their name. After a start it reads all devices once, in the background; from then
 * on it follows the changes of every replica. A change by this process is found as soon as it is made.
 */
@Injectable()
export class DeviceDirectory implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private index = new DeviceIndex();
  /** The revision at which a device was taken in last, so that an older one does not replace it. */
  private revisions = new BoundedMap<string, number>(mostRevisions);
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private complete = Promise.withResolvers<void>();
  private isRead = false;
  private readonly filling: (() => Promise<void>)[] = [];

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Whether every device has been read since the start. */
  get isComplete(): boolean {
    return this.isRead;
  }

  /** Waits a moment for the reading after a start, and then no longer. */
  async settle(): Promise<void> {
    await this.whenComplete().catch(() => undefined);
  }

  /** Runs a step each time after all devices have been read, before the directory counts as complete. */
  afterReading(step: () => Promise<void>): void {
    this.filling.push(step);
  }

  /** How many devices are in a state; of those read so far. */
  countOf(state: DeviceState): number {
    return this.index.countOf(state);
  }

  /**
   * How many active devices have a newest certificate that has ended, or ends within some days.
   *
   * @throws Problem `unavailable`: the devices are still being read
   */
  async expiring(now: Date): Promise<NonNullable<RegistryStatus['expiring']>> {
    await this.whenComplete();
    const moments = [0, 7, 30, 90].map((days) => new Date(now.getTime() + days * dayMs));
    const [ended = 0, days7 = 0, days30 = 0, days90 = 0] = await this.index.countExpiring('active', moments);
    return { ended, days7, days30, days90 };
  }

  /**
   * How many devices match.
   *
   * @throws Problem `unavailable`: the devices are still being read
   */
  async count(filter: IndexFilter): Promise<number> {
    await this.whenComplete();
    return this.index.countMatches(filter);
  }

  /**
   * The names of matching devices, in lower case and in order.
   *
   * @throws Problem `unavailable`: the devices are still being read
   */
  async find(filter: IndexFilter, range: IndexRange): Promise<string[]> {
    await this.whenComplete();
    return this.index.find(filter, range);
  }

  /** Whether there is a device of this name; of those read so far. */
  has(name: DeviceId): boolean {
    return this.index.has(foldedName(name));
  }

  /** Notes a contact of a device. */
  see(name: string, at: Date): void {
    this.index.see(name, at);
  }

  seenAt(name: DeviceId): Date | undefined {
    return this.index.seenAt(foldedName(name));
  }

  /** Reads a device again that this process has changed. */
  async refresh(name: DeviceId): Promise<void> {
    const entry = await this.store.get(deviceKey(name));
    if (entry !== undefined) this.take(entry);
    // Not by its revision: the deletion has one of its own, and a watch reports it.
    else this.index.remove(foldedName(name));
  }

  private whenComplete(): Promise<void> {
    const detail = 'The registry is still reading its devices after a start. Try again.';
    const late = () => new Problem('unavailable', detail, { retryAfterSeconds: 5 });
    return within(this.complete.promise, patienceMs, { late });
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.readAndFollow();
      } catch (error) {
        if (signal.aborted) return;
        this.log.warn({ error }, 'devices could not be followed, will be read again');
        await pause(backOffMs(failures + 1, retries), { signal });
      }
    }
  }

  /** Follows changes from before the first device is read, so that none is missed. Ends when it is stopped, or fails. */
  private async readAndFollow(): Promise<void> {
    if (this.isRead) this.complete = Promise.withResolvers();
    this.isRead = false;
    this.index = new DeviceIndex();
    this.revisions = new BoundedMap(mostRevisions);
    const failed = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, failed.signal]);
    const following = this.follow(signal);
    const reading = this.readAll(signal);
    try {
      await Promise.all([following, reading]);
    } finally {
      failed.abort();
      await Promise.allSettled([following, reading]);
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    for await (const change of this.store.watch(devicePrefix, { signal })) {
      if (change.type === 'put') this.take(change.entry);
      else this.forget(change.key, change.revision);
    }
  }

  private async readAll(signal: AbortSignal): Promise<void> {
    for await (const entries of this.store.listPages(devicePrefix, { pageSize: entriesAtOnce })) {
      if (signal.aborted) return;
      const fresh = entries.filter(({ key, revision }) => revision >= (this.revisions.get(nameIn(key)) ?? 0));
      this.index.putInOrder(fresh.flatMap((entry) => this.readable(entry)));
    }
    for (const step of this.filling) await step();
    this.isRead = true;
    this.complete.resolve();
  }

  private take(entry: Entry): void {
    const name = nameIn(entry.key);
    if (entry.revision <= (this.revisions.get(name) ?? 0)) return;
    this.revisions.set(name, entry.revision);
    for (const device of this.readable(entry)) this.index.put(device);
  }

  private forget(key: string, revision: number): void {
    const name = nameIn(key);
    if (revision <= (this.revisions.get(name) ?? 0)) return;
    this.revisions.set(name, revision);
    this.index.remove(name);
  }

  /** Nothing for a damaged record: who asks for the device is told. */
  private readable(entry: Entry): IndexedDevice[] {
    try {
      return [{ name: nameIn(entry.key), parts: indexedPartsOf(entry) }];
    } catch (error) {
      this.log.error({ error }, 'record of a device is not readable');
      return [];
    }
  }
}

function nameIn(key: string): string {
  return key.slice(devicePrefix.length);
}
