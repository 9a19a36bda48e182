import type { RefusalReason } from '@sallyport/protocol';
import type { Clock, Log } from '@sallyport/runtime';
import { networkOf, type RefusalEvent } from '@sallyport/tls';

// Often enough to see that it goes on, seldom enough to leave the log readable.
const quietMs = 60_000;
// Who comes with ever new certificates or addresses writes about as many lines a minute as this, and no more.
const mostSources = 200;

interface Silence {
  readonly untilMs: number;
  leftOut: number;
}

/**
 * Writes refusals down: the first of a peer for a reason at once, then at most one a minute, which says how many were
 * left out. A peer is its certificate, or its network without one.
 */
export class RefusalLog {
  private readonly silences = new Map<string, Silence>();
  /** When refusals of further peers are written again. */
  private crowd: Silence = { untilMs: 0, leftOut: 0 };

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  /**
   * Writes a refusal into the log, unless one like it is there already.
   *
   * @returns how many were left out before it; undefined when this one is
   */
  note(refusal: RefusalEvent, entrance: string): number | undefined {
    const nowMs = this.clock.now().getTime();
    const source = sourceOf(refusal);
    const silence = this.silences.get(source) ?? this.roomFor(nowMs);
    // A clock that was set back keeps nobody silent for longer.
    if (silence !== undefined && nowMs < silence.untilMs && silence.untilMs - nowMs <= quietMs) {
      silence.leftOut += 1;
      return undefined;
    }
    const leftOut = silence?.leftOut ?? 0;
    this.silences.set(source, { untilMs: nowMs + quietMs, leftOut: 0 });
    this.log.info({ ...refusal, entrance, ...(leftOut > 0 && { leftOut }) }, 'peer refused');
    return leftOut;
  }

  /** Undefined when one more source can be remembered; otherwise all further ones share a line a minute. */
  private roomFor(nowMs: number): Silence | undefined {
    if (this.silences.size < mostSources) return undefined;
    for (const [source, { untilMs }] of this.silences) if (untilMs <= nowMs) this.silences.delete(source);
    if (this.silences.size < mostSources) return undefined;
    const crowd = this.crowd;
    if (crowd.untilMs > nowMs) return crowd;
    this.crowd = { untilMs: nowMs + quietMs, leftOut: 0 };
    const [oldest] = this.silences.keys();
    if (oldest !== undefined) this.silences.delete(oldest);
    return crowd;
  }
}

function sourceOf({ reason, fingerprint, remoteAddress }: RefusalEvent): `${RefusalReason} ${string}` {
  return `${reason} ${fingerprint ?? networkOf(remoteAddress)}`;
}
