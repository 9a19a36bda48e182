const firstDelayMs = 100;
// While a broker is away nobody gets in at the doors, so what counts is how soon we see that it is back.
const longestDelayMs = 5_000;
// A connection that lived this long was a good one: the next loss starts from the first delay again.
const stableAfterMs = 30_000;

/** Delays between attempts: decorrelated jitter, so that many clients of one broker do not come back in step. */
export class ReconnectBackOff {
  private previousMs = firstDelayMs;

  constructor(private readonly random: () => number = Math.random) {}

  /**
   * The delay before the next attempt.
   *
   * @param livedMs how long the connection that just ended had worked; 0 when it never did
   * @returns milliseconds, 100 to 5 000
   */
  next(livedMs: number): number {
    if (livedMs >= stableAfterMs) this.previousMs = firstDelayMs;
    const spread = this.previousMs * 3 - firstDelayMs;
    this.previousMs = Math.min(longestDelayMs, firstDelayMs + Math.round(this.random() * spread));
    return this.previousMs;
  }
}
