import { TokenBuckets } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';

export interface RateLimitOptions {
  /** Requests that one caller may send at once. */
  readonly burst: number;
  /** Requests that a caller gets back each second. */
  readonly perSecond: number;
  /** Callers remembered at most. When it is full, the caller not seen for longest is forgotten. */
  readonly mostCallers?: number;
}

// About 5 MB when full.
const defaultMostCallers = 50_000;

/** A token bucket for every caller, in bounded memory. */
export class RateLimit {
  private readonly buckets: TokenBuckets;

  constructor(
    private readonly clock: Clock,
    { burst, perSecond, mostCallers = defaultMostCallers }: RateLimitOptions,
  ) {
    this.buckets = new TokenBuckets({ burst, perSecond, mostOwed: burst }, mostCallers);
  }

  /** @throws Problem `rate-limited`: with the seconds until the caller may send one request again */
  admit(caller: string): void {
    const nowMs = this.clock.now().getTime();
    if (this.buckets.take(caller, nowMs)) return;
    const retryAfterSeconds = Math.ceil(this.buckets.waitMs(caller, nowMs) / 1000);
    throw new Problem('rate-limited', `Too many requests. Try again in ${retryAfterSeconds} s.`, {
      retryAfterSeconds,
    });
  }

  /** Counts as this many requests. The count may go below zero; then the caller waits until it is paid back. */
  charge(caller: string, units: number): void {
    this.buckets.charge(caller, units, this.clock.now().getTime());
  }
}
