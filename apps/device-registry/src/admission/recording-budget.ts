import { BoundedMap, TokenBucket } from '@sallyport/concurrency';

// A client that tries again and again causes one row in this time.
const repeatWindowMs = 10 * 60_000;
const rememberedSources = 10_000;
// Many clients together: a burst, then one row every 10 s. At most 8 640 rows a day, about 5 MB.
const rate = { burst: 200, perSecond: 0.1 };

/**
 * Decides which refusals get a row, so that many refusals cannot fill the disk. Refusals without a row are counted.
 */
export class RecordingBudget {
  private readonly recordedAtMs = new BoundedMap<string, number>(rememberedSources);
  private readonly bucket: TokenBucket;
  private leftOut = 0;

  /** @param nowMs milliseconds since the epoch */
  constructor(nowMs: number) {
    this.bucket = new TokenBucket(rate, nowMs);
  }

  /**
   * Whether to write a row for this refusal. If not, it is counted.
   *
   * @param source two refusals with the same source are equal: the reason and the peer
   */
  take(source: string, nowMs: number): boolean {
    const last = this.recordedAtMs.get(source);
    const isRepeat = last !== undefined && Math.abs(nowMs - last) < repeatWindowMs;
    if (isRepeat || !this.bucket.take(nowMs)) {
      this.leaveOut(1);
      return false;
    }
    this.recordedAtMs.set(source, nowMs);
    return true;
  }

  /** Counts refusals that get no row. */
  leaveOut(count: number): void {
    this.leftOut += count;
  }

  /** How many got no row since the last call. */
  takeLeftOut(): number {
    const count = this.leftOut;
    this.leftOut = 0;
    return count;
  }
}
