import { type BackOff, backOffMs } from '@sallyport/concurrency';

// Entrances admit almost nobody while the broker is away, so the delays are short. Two thirds of each delay are random:
// many clients of one broker must not come back at the same moment.
const delays: BackOff = { firstMs: 300, longestMs: 5_000, factor: 3, jitter: 2 / 3 };
// After a connection that lived this long, the next loss starts with the first delay again.
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
