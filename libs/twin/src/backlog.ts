import { Problem } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { parseAnnouncedWrites, sizeOf } from './stored-write.js';
import type { Announced } from './write-queue.js';

// To count reads everything that waits. Only a full backlog is counted again.
const countEveryMs = 60_000;
const retryAfterSeconds = 30;

export interface BacklogOptions {
  readonly mostBytes: number;
  /** What waits to be published, in the store. */
  readonly messages: () => AsyncIterable<JsonValue>;
}

/**
 * How much waits to be published, about. What this process writes and publishes is known. What other processes do is
 * found out when it seems to be full.
 */
export class Backlog {
  private bytes = 0;
  private countedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: BacklogOptions) {}

  get isFull(): boolean {
    return this.bytes >= this.options.mostBytes;
  }

  /** @throws Problem `unavailable`: it is full */
  async requireRoom(): Promise<void> {
    if (performance.now() - this.countedAtMs >= countEveryMs) await this.count();
    if (!this.isFull) return;
    const detail = 'Too many values wait to be published, because the broker is away. Send them again later.';
    throw new Problem('unavailable', detail, { retryAfterSeconds });
  }

  recorded(writes: readonly Announced[]): void {
    this.bytes += bytesOf(writes);
  }

  published(writes: readonly Announced[]): void {
    // A message may be published twice.
    this.bytes = Math.max(0, this.bytes - bytesOf(writes));
  }

  /** Reads what waits. */
  async count(): Promise<void> {
    this.countedAtMs = performance.now();
    const before = this.bytes;
    let found = 0;
    for await (const message of this.options.messages()) found += bytesOf(parseAnnouncedWrites(message).writes);
    // What was written or published meanwhile may be in it or not. Rather too much than too little.
    this.bytes = found + Math.max(0, this.bytes - before);
  }
}

function bytesOf(writes: readonly Announced[]): number {
  return writes.reduce((total, [, , write]) => total + sizeOf(write), 0);
}
