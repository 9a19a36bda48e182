/** How much may happen at once, and how soon it may happen again. */
export interface Rate {
  readonly burst: number;
  /** One more in this time, in milliseconds. */
  readonly refillMs: number;
}

/** Lets things happen at a bounded rate: a burst, then one by one. */
export class TokenBucket {
  private tokens: number;

  /** @param refilledAtMs milliseconds since the epoch */
  constructor(
    private readonly rate: Rate,
    private refilledAtMs: number,
  ) {
    this.tokens = rate.burst;
  }

  /** Whether it may happen now; when so, it has. */
  take(nowMs: number): boolean {
    this.refill(nowMs);
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  private refill(nowMs: number): void {
    const { burst, refillMs } = this.rate;
    const earned = Math.floor(Math.max(0, nowMs - this.refilledAtMs) / refillMs);
    this.tokens = Math.min(burst, this.tokens + earned);
    this.refilledAtMs += earned * refillMs;
    // A clock that was set back must not stop the refill until it has caught up.
    if (nowMs < this.refilledAtMs) this.refilledAtMs = nowMs;
  }
}
