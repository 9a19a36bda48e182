import { type BackOff, backOffMs } from '@sallyport/concurrency';

// While a broker is away nobody gets in at the doors, so what counts is how soon we see that it is back. Two thirds of
// each delay are left to chance: many clients of one broker must not come back in step.
const delays: BackOff = { firstMs: 300, longestMs: 5_000, factor: 3, jitter: 2 / 3 };
// A connection that lived this long was a good one: the next loss starts from the first delay again.
const stableAfterMs = 30_000;

/** Delays between attempts to connect. */
export class ReconnectBackOff {
  private failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /**
   * The delay before the next attempt.
   *
   * @param livedMs how long the connection that just ended had worked; 0 when it never did
   * @returns milliseconds, 100 to 5 000
   */
  next(livedMs: number): number {
    this.failures = livedMs >= stableAfterMs ? 1 : this.failures + 1;
    return backOffMs(this.failures, delays, this.random());
  }
}
