import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { pause } from '@sallyport/concurrency';
import type { DeviceId, LastSeen, ReportedContact } from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { foldedName } from './device-record.js';
import { DeviceDirectory } from './index/device-directory.js';
import { SeenBuckets, type SeenChange } from './seen-buckets.js';

const writeEveryMs = 60_000;
const bucketsAtOnce = 20;
const mostTries = 5;
const retryMs = 5_000;

/** A contact of a device: a connection, or some requests that an entrance reports. */
export interface Contact {
  readonly deviceId: DeviceId;
  readonly entrance: string;
  readonly remoteAddress: string;
  readonly at?: Date;
  /** How many; 1 when absent. */
  readonly contacts?: number;
}

/**
 * When each device was seen last. A contact is noted in memory and written once a minute, many devices at a time, so a
 * request costs no write. A crash may lose the newest minute. No decision depends on it.
 */
@Injectable()
export class LastContacts implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly buckets: SeenBuckets;
  private waiting = new Map<string, SeenChange>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private following: Promise<void> = Promise.resolve();
  private writing: Promise<void> = Promise.resolve();
  private readonly faults: FaultLog;

  constructor(
    private readonly store: Store,
    private readonly directory: DeviceDirectory,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.buckets = new SeenBuckets(store);
    this.faults = new FaultLog(log, clock, 'last contacts of devices could not be written, will try again');
    directory.afterReading(() => this.tellDirectory());
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.write(), writeEveryMs);
    this.timer.unref();
    this.following = this.follow();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.write();
    await this.following;
  }

  /** Notes a contact of a device that was admitted. */
  note({ deviceId, entrance, remoteAddress, at = this.clock.now(), contacts = 1 }: Contact): void {
    const name = foldedName(deviceId);
    const before = this.waiting.get(name)?.seen;
    const latest = { at: at.toISOString(), entrance, remoteAddress };
    const isNewer = before === undefined || before.at <= latest.at;
    const seen = { ...(isNewer ? latest : before), contacts: contacts + (before?.contacts ?? 0) };
    this.waiting.set(name, { name, seen });
    this.directory.see(name, at);
  }

  /** Notes what an entrance reports of a device. It may be deleted by now, and its clock may be ahead. */
  take({ at, ...contact }: ReportedContact): void {
    const { directory } = this;
    if (directory.isComplete && !directory.has(contact.deviceId)) return;
    const atMs = Math.min(Date.parse(at), this.clock.now().getTime());
    this.note({ ...contact, at: new Date(atMs) });
  }

  /** The last contact of a device; undefined if there was none, or it is not known. */
  async find(deviceId: DeviceId): Promise<LastSeen | undefined> {
    const name = foldedName(deviceId);
    const [written, news] = [await this.buckets.find(name), this.waiting.get(name)];
    if (news === undefined) return written;
    const { seen } = news;
    return seen && { ...seen, contacts: seen.contacts + (written?.contacts ?? 0) };
  }

  /** Forgets a device that has been deleted. */
  forget(deviceId: DeviceId): void {
    const name = foldedName(deviceId);
    this.waiting.set(name, { name });
  }

  /** Writes what has been noted. What cannot be written now is written the next time. */
  write(): Promise<void> {
    this.writing = this.writing.then(() => this.writeWaiting());
    return this.writing;
  }

  private async writeWaiting(): Promise<void> {
    const byBucket = Map.groupBy(this.waiting.values(), ({ name }) => this.buckets.bucketOf(name));
    const numbers = [...byBucket.keys()];
    for (let from = 0; from < numbers.length; from += bucketsAtOnce) {
      const some = numbers.slice(from, from + bucketsAtOnce).map((each) => [each, byBucket.get(each) ?? []] as const);
      try {
        await this.writeSome(new Map(some));
      } catch (error) {
        this.faults.note(error);
        return;
      }
    }
  }

  private async writeSome(changes: ReadonlyMap<number, readonly SeenChange[]>): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { compares, operations } = await this.buckets.stepsFor(changes);
      const { committed } = await this.store.transaction(compares, operations);
      if (!committed) continue;
      // A contact that was noted in the meantime counts the earlier ones too, and they are written now.
      for (const written of [...changes.values()].flat()) this.settle(written);
      return;
    }
  }

  private settle(written: SeenChange): void {
    const now = this.waiting.get(written.name);
    if (now === written) this.waiting.delete(written.name);
    else if (now?.seen !== undefined && written.seen !== undefined)
      this.waiting.set(now.name, {
        name: now.name,
        seen: { ...now.seen, contacts: now.seen.contacts - written.seen.contacts },
      });
  }

  private async tellDirectory(): Promise<void> {
    for await (const [name, at] of this.buckets.all()) this.directory.see(name, at);
    for (const { name, seen } of this.waiting.values())
      if (seen !== undefined) this.directory.see(name, new Date(seen.at));
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        for await (const [name, at] of this.buckets.changes(signal)) this.directory.see(name, at);
      } catch (error) {
        if (!signal.aborted) this.log.warn({ error }, 'last contacts at other replicas could not be followed');
        await pause(retryMs, { signal });
      }
    }
  }
}
