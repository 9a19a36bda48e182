import type { RefusalReason } from '@sallyport/protocol';
import type { Clock, Log } from '@sallyport/runtime';
import { networkOf, type RefusalEvent } from '@sallyport/tls';

// Often enough to see that it continues, seldom enough to keep the log readable.
const quietMs = 60_000;
// A client that keeps changing its certificate or address can cause about this many lines a minute.
const mostSources = 200;

interface QuietPeriod {
  readonly untilMs: number;
  leftOut: number;
}

/**
 * Logs refusals. The first one of a peer for a reason is logged at once, then at most one a minute, which says how many
 * were left out. A peer is known by its certificate, or else by its network.
 */
export class RefusalLog {
  private readonly quietPeriods = new Map<string, QuietPeriod>();
  /** The next time that refusals of further peers are logged. */
  private overflow: QuietPeriod = { untilMs: 0, leftOut: 0 };

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  /**
   * Logs a refusal, unless one like it was logged within the last minute.
   *
   * @returns how many were left out before it; undefined when this one is left out
   */
  note(refusal: RefusalEvent, entrance: string): number | undefined {
    const nowMs = this.clock.now().getTime();
    const source = sourceOf(refusal);
    const quiet = this.quietPeriods.get(source) ?? this.quietPeriodFor(nowMs);
    // When the clock was set back, nothing is left out for longer than a minute.
    if (quiet !== undefined && nowMs < quiet.untilMs && quiet.untilMs - nowMs <= quietMs) {
      quiet.leftOut += 1;
      return undefined;
    }
    const leftOut = quiet?.leftOut ?? 0;
    this.quietPeriods.set(source, { untilMs: nowMs + quietMs, leftOut: 0 });
    this.log.info({ ...refusal, entrance, ...(leftOut > 0 ? { leftOut } : {}) }, 'peer refused');
    return leftOut;
  }

  /** Undefined when one more source can be remembered. Otherwise all further ones share one line a minute. */
  private quietPeriodFor(nowMs: number): QuietPeriod | undefined {
    if (this.quietPeriods.size < mostSources) return undefined;
    for (const [source, { untilMs }] of this.quietPeriods) if (untilMs <= nowMs) this.quietPeriods.delete(source);
    if (this.quietPeriods.size < mostSources) return undefined;
    const overflow = this.overflow;
    if (overflow.untilMs > nowMs) return overflow;
    this.overflow = { untilMs: nowMs + quietMs, leftOut: 0 };
    const [oldest] = this.quietPeriods.keys();
    if (oldest !== undefined) this.quietPeriods.delete(oldest);
    return overflow;
  }
}

function sourceOf({ reason, fingerprint, remoteAddress }: RefusalEvent): `${RefusalReason} ${string}` {
  return `${reason} ${fingerprint ?? networkOf(remoteAddress)}`;
}
