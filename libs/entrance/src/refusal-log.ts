import { RepeatFilter } from '@sallyport/concurrency';
import type { RefusalReason } from '@sallyport/protocol';
import type { Clock, Log } from '@sallyport/runtime';
import { networkOf, type RefusalEvent } from '@sallyport/tls';

// Often enough to see that it continues, seldom enough to keep the log readable.
const periodMs = 60_000;
// A client that keeps changing its certificate or address can cause about this many lines a minute.
const mostSources = 200;
// As long as a probe may take.
const probeMs = 10_000;

/**
 * Logs refusals. The first one of a peer for a reason is logged at once, then at most one a minute, which says how many
 * were left out. A peer is known by its certificate, or else by its network.
 */
export class RefusalLog {
  private probes = { left: 0, until: 0 };
  private readonly repeats = new RepeatFilter({ periodMs, mostSources });

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  /**
   * An administrator is about to connect this many times as a stranger, to see whether the entrance refuses one. So many
   * refusals of peers without a certificate are left out in the next seconds.
   */
  expectProbes(count: number): void {
    this.probes = { left: count, until: this.clock.now().getTime() + probeMs };
  }

  /**
   * Logs a refusal, unless one like it was logged within the last minute.
   *
   * @returns how many were left out before it; undefined when this one is left out, or is a probe of our own
   */
  note(refusal: RefusalEvent, entrance: string): number | undefined {
    if (this.isProbe(refusal)) return undefined;
    const leftOut = this.repeats.pass(sourceOf(refusal), this.clock.now().getTime());
    if (leftOut === undefined) return undefined;
    this.log.info({ ...refusal, entrance, ...(leftOut > 0 ? { leftOut } : {}) }, 'peer refused');
    return leftOut;
  }

  private isProbe({ fingerprint }: RefusalEvent): boolean {
    const { left, until } = this.probes;
    if (fingerprint !== undefined || left === 0 || this.clock.now().getTime() > until) return false;
    this.probes = { left: left - 1, until };
    return true;
  }
}

function sourceOf({ reason, fingerprint, remoteAddress }: RefusalEvent): `${RefusalReason} ${string}` {
  return `${reason} ${fingerprint ?? networkOf(remoteAddress)}`;
}
