import { TokenBuckets } from '@sallyport/concurrency';
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

  /** @throws Problem `rate-limited`: with the seconds after which the caller has one unit again */
  admit(caller: string): void {
    const nowMs = this.clock.now().getTime();
    if (this.buckets.take(caller, nowMs)) return;
    const retryAfterSeconds = Math.ceil(this.buckets.waitMs(caller, nowMs) / 1000);
    throw new Problem('rate-limited', `Too many requests. Try again in ${retryAfterSeconds} s.`, {
      retryAfterSeconds,
    });
  }

  /** Takes units away, below zero too: what is owed comes back before anything is admitted. */
  charge(caller: string, units: number): void {
    this.buckets.charge(caller, units, this.clock.now().getTime());
  }
}
