import { type BackOff, backOffMs } from '@sallyport/concurrency';

// A provider that is down is not asked again for each device that comes.
const backOff: BackOff = { firstMs: 500, longestMs: 30_000 };

export interface RememberedTimes {
  /** How long a value counts. */
  readonly freshMs: number;
  /** How long it is used when it cannot be fetched again. */
  readonly staleMs: number;
  /** Milliseconds of a clock that is never set. */
  readonly nowMs: () => number;
}

interface Failure {
  readonly error: unknown;
  readonly count: number;
  readonly untilMs: number;
}

/**
 * A value of a provider, fetched when it is needed. Callers at the same time share one fetch. After a failure the next
 * fetch waits a little; until then callers get the old value, or the failure.
 */
export class Remembered<Value> {
  private current: { readonly value: Value; readonly atMs: number } | undefined;
  private pending: Promise<Value> | undefined;
  private failure: Failure | undefined;

  constructor(
    private readonly fetchValue: () => Promise<Value>,
    private readonly times: RememberedTimes,
  ) {}

  /** @throws what the fetch throws, when no value can be used any more */
  async get(): Promise<Value> {
    const { current } = this;
    if (current !== undefined && this.ageMs(current) < this.times.freshMs) return current.value;
    try {
      return await this.fetchAgain();
    } catch (error) {
      if (current !== undefined && this.ageMs(current) < this.times.staleMs) return current.value;
      throw error;
    }
  }

  get isFetching(): boolean {
    return this.pending !== undefined;
  }

  /** Fetches the value however old it is. */
  fetchAgain(): Promise<Value> {
    const { failure } = this;
    if (failure !== undefined && this.times.nowMs() < failure.untilMs) return Promise.reject(failure.error);
    this.pending ??= this.fetchOnce().finally(() => {
      this.pending = undefined;
    });
    return this.pending;
  }

  private async fetchOnce(): Promise<Value> {
    try {
      const value = await this.fetchValue();
      this.current = { value, atMs: this.times.nowMs() };
      this.failure = undefined;
      return value;
    } catch (error) {
      const count = (this.failure?.count ?? 0) + 1;
      this.failure = { error, count, untilMs: this.times.nowMs() + backOffMs(count, backOff) };
      throw error;
    }
  }

  private ageMs({ atMs }: { readonly atMs: number }): number {
    return this.times.nowMs() - atMs;
  }
}
