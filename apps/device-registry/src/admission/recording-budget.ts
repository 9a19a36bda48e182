import { type Rate, TokenBucket } from './token-bucket.js';

// One stubborn client leaves one row in this time, however often it knocks.
const repeatWindowMs = 10 * 60_000;
const rememberedSources = 10_000;
// Many different clients together: a burst, then one row in 10 s. At most 8 640 rows a day, some 5 MB.
const rate: Rate = { burst: 200, refillMs: 10_000 };

/**
 * Decides which refusals are worth a row: a flood of them, wanted or not, must fill no disk. Those left out are counted.
 */
export class RecordingBudget {
  private readonly recordedAtMs = new Map<string, number>();
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
    this.remember(source, nowMs);
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

  private remember(source: string, nowMs: number): void {
    // Deleted first, so that the map stays in order of time and its first entry is the oldest.
    this.recordedAtMs.delete(source);
    this.recordedAtMs.set(source, nowMs);
    const oldest = this.recordedAtMs.size > rememberedSources ? this.recordedAtMs.keys().next().value : undefined;
    if (oldest !== undefined) this.recordedAtMs.delete(oldest);
  }
}
