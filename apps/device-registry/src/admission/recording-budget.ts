import { BoundedMap, TokenBucket } from '@sallyport/concurrency';

// One stubborn client leaves one row in this time, however often it knocks.
const repeatWindowMs = 10 * 60_000;
const rememberedSources = 10_000;
// Many different clients together: a burst, then one row in 10 s. At most 8 640 rows a day, some 5 MB.
const rate = { burst: 200, perSecond: 0.1 };

/**
 * Decides which refusals are worth a row: a flood of them, wanted or not, must fill no disk. Those left out are counted.
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
   * Whether to write this refusal down; when not, it is counted.
   *
   * @param source what makes two refusals the same: reason and who was refused
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

  /** Counts refusals that are not written down. */
  leaveOut(count: number): void {
    this.leftOut += count;
  }

  /** How many were left out since this was last asked. */
  takeLeftOut(): number {
    const count = this.leftOut;
    this.leftOut = 0;
    return count;
  }
}
