// One stubborn client leaves one row in this time, however often it knocks.
const repeatWindowMs = 10 * 60_000;
const rememberedSources = 10_000;
// Many different clients together: a burst, then one row in 10 s. At most 8 640 rows a day, some 5 MB.
const burst = 200;
const refillMs = 10_000;

/**
 * Decides which refusals are worth a row: a flood of them, wanted or not, must fill no disk. Those left out are counted.
 */
export class RecordingBudget {
  private readonly recordedAtMs = new Map<string, number>();
  private tokens = burst;
  private refilledAtMs: number;
  private leftOut = 0;

  /** @param nowMs milliseconds since the epoch */
  constructor(nowMs: number) {
    this.refilledAtMs = nowMs;
  }

  /**
   * Whether to write this refusal down; when not, it is counted.
   *
   * @param source what makes two refusals the same: reason and who was refused
   */
  take(source: string, nowMs: number): boolean {
    this.refill(nowMs);
    const last = this.recordedAtMs.get(source);
    const isRepeat = last !== undefined && nowMs - last < repeatWindowMs;
    if (isRepeat || this.tokens < 1) {
      this.leftOut += 1;
      return false;
    }
    this.tokens -= 1;
    this.remember(source, nowMs);
    return true;
  }

  /** How many were left out since this was last asked. */
  takeLeftOut(): number {
    const count = this.leftOut;
    this.leftOut = 0;
    return count;
  }

  private refill(nowMs: number): void {
    const earned = Math.floor(Math.max(0, nowMs - this.refilledAtMs) / refillMs);
    this.tokens = Math.min(burst, this.tokens + earned);
    this.refilledAtMs += earned * refillMs;
    // A clock that was set back must not stop the refill until it has caught up.
    if (nowMs < this.refilledAtMs) this.refilledAtMs = nowMs;
  }

  private remember(source: string, nowMs: number): void {
    // Deleted first, so that the map stays in order of time and its first entry is the oldest.
    this.recordedAtMs.delete(source);
    this.recordedAtMs.set(source, nowMs);
    const oldest = this.recordedAtMs.size > rememberedSources ? this.recordedAtMs.keys().next().value : undefined;
    if (oldest !== undefined) this.recordedAtMs.delete(oldest);
  }
}
