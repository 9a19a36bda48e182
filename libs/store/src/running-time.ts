/** Milliseconds of a clock that nobody sets, such as `performance.now()`: it only rises, at its own pace. */
export type MonotonicClock = () => number;

/** Running time that is not written down yet, at most, while something is written anyway. */
export const noteRunningTimeEveryMs = 60_000;

/**
 * For how long a store has been open, over all the processes that ever opened it: what lifetimes are counted in.
 *
 * The time of day may be wrong by years and right again a moment later, and a deletion cannot be taken back; so it has no
 * say in what is deleted. Each process adds what its own monotonic clock measured since it last learned the stored value,
 * and the largest value counts. So several processes at once do not make it run faster, and what a crash forgets only
 * makes entries live longer.
 */
export class RunningTime {
  private baseMs = 0;
  private baseAt: number;

  constructor(private readonly clock: MonotonicClock) {
    this.baseAt = clock();
  }

  /** As far as this process knows; never more than has really passed. */
  get ms(): number {
    return Math.floor(this.baseMs + Math.max(this.clock() - this.baseAt, 0));
  }

  /** Takes over what the store holds, when that is further on. */
  learn(storedMs: number): void {
    if (!(storedMs > this.ms)) return;
    this.baseMs = storedMs;
    this.baseAt = this.clock();
  }
}
