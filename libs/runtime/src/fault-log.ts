import type { Clock } from './clock.js';
import type { Log, LogFields } from './log.js';

// Often enough to see that an outage lasts, seldom enough to leave the log readable.
const quietMs = 60_000;
// Reasons hold addresses and topics, so there are few of them; the limit is for the day that proves wrong.
const mostReasons = 100;

interface Silence {
  readonly untilMs: number;
  repeats: number;
}

/**
 * Logs faults that mend themselves, such as a broker that is away: tried again many times a second, each reason is
 * written at once and then once a minute, with how often it came back in between.
 */
export class FaultLog {
  private readonly silences = new Map<string, Silence>();

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
    private readonly message: string,
    private readonly fields: LogFields = {},
  ) {}

  readonly note = (fault: unknown): void => {
    const reason = reasonOf(fault);
    const nowMs = this.clock.now().getTime();
    const silence = this.silences.get(reason);
    // Further off than a minute only after the clock was set back.
    if (silence !== undefined && nowMs < silence.untilMs && silence.untilMs - nowMs <= quietMs) {
      silence.repeats += 1;
      return;
    }
    const repeats = silence?.repeats ?? 0;
    if (this.silences.size >= mostReasons) this.silences.clear();
    this.silences.set(reason, { untilMs: nowMs + quietMs, repeats: 0 });
    this.log.warn({ ...this.fields, reason, ...(repeats === 0 ? {} : { repeats }) }, this.message);
  };
}

/** What went wrong in one line: the fault and what caused it. A stack would say where we noticed, not why. */
function reasonOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  // A host with several addresses gives an AggregateError without a message.
  const own = fault.message || ('code' in fault ? String(fault.code) : fault.name);
  if (fault.cause === undefined) return own;
  const cause = reasonOf(fault.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}
