/** Milliseconds of a monotonic clock, such as `performance.now()`: nobody can set it. */
export type MonotonicClock = () => number;

/** Most running time that is not stored yet, while there are other writes. */
export const noteRunningTimeEveryMs = 60_000;

/**
 * How long a store has been open, over all processes that ever opened it. Lifetimes are measured in this time.
 *
 * The time of day may be wrong by years, and correct again a moment later. A deletion cannot be undone, so the time of
 * day deletes nothing. Each process adds what its own monotonic clock has measured since it read the stored value, and
 * the largest value counts. So several processes do not make the time run faster. What a crash loses makes entries live
 * longer, never shorter.
 */
export class RunningTime {
  private baseMs = 0;
  private baseAt: number;

  constructor(private readonly clock: MonotonicClock) {
    this.baseAt = clock();
  }

  /** The time this process knows; never more than the real one. */
  get ms(): number {
    return Math.floor(this.baseMs + Math.max(this.clock() - this.baseAt, 0));
  }

  /** Takes the stored value if it is larger. */
  learn(storedMs: number): void {
    if (!(storedMs > this.ms)) return;
    this.baseMs = storedMs;
    this.baseAt = this.clock();
  }
}
