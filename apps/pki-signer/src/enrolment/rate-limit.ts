import { Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';

export interface RateLimitOptions {
  /** What one caller may do at once. */
  readonly burst: number;
  /** What comes back to a caller each second. */
  readonly perSecond: number;
  /** Callers remembered at most; the one unseen longest is forgotten first. */
  readonly mostCallers?: number;
}

interface Bucket {
  readonly level: number;
  readonly atMs: number;
}

// About 5 MB when full.
const defaultMostCallers = 50_000;

/** A token bucket for every caller, in bounded memory. */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();
  private readonly mostCallers: number;

  constructor(
    private readonly clock: Clock,
    private readonly options: RateLimitOptions,
  ) {
    this.mostCallers = options.mostCallers ?? defaultMostCallers;
  }

  /** @throws Problem `rate-limited`: with the seconds after which the caller has one unit again */
  admit(caller: string): void {
    const level = this.levelOf(caller);
    if (level < 1) {
      const retryAfterSeconds = Math.ceil((1 - level) / this.options.perSecond);
      throw new Problem('rate-limited', `Too many requests. Try again in ${retryAfterSeconds} s.`, {
        retryAfterSeconds,
      });
    }
    this.charge(caller, 1);
  }

  /** Takes units away, below zero too: what is owed comes back before anything is admitted. */
  charge(caller: string, units: number): void {
    const level = Math.max(this.levelOf(caller) - units, -this.options.burst);
    this.buckets.delete(caller);
    const oldest = this.buckets.size >= this.mostCallers ? this.buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.buckets.delete(oldest);
    this.buckets.set(caller, { level, atMs: this.clock.now().getTime() });
  }

  private levelOf(caller: string): number {
    const { burst, perSecond } = this.options;
    const bucket = this.buckets.get(caller);
    if (bucket === undefined) return burst;
    const nowMs = this.clock.now().getTime();
    // A clock set back takes nothing away, and what comes back counts from where it was set.
    if (nowMs < bucket.atMs) this.buckets.set(caller, { level: bucket.level, atMs: nowMs });
    const elapsedSeconds = Math.max(nowMs - bucket.atMs, 0) / 1000;
    return Math.min(bucket.level + elapsedSeconds * perSecond, burst);
  }
}
