import { RepeatFilter } from '@sallyport/concurrency';
import type { Clock } from './clock.js';
import type { Log, LogFields } from './log.js';

// Often enough to show that an outage goes on, and not so often that the log becomes hard to read.
const periodMs = 60_000;
// Reasons contain addresses and topics, so there are few of them. The limit bounds memory if there are many.
const mostSources = 100;

/**
 * Logs faults that end without help, such as a broker that is away. We try again many times a second, so each reason is
 * logged at once and then at most once a minute, with the number of repeats.
 */
export class FaultLog {
  private readonly repeats = new RepeatFilter({ periodMs, mostSources });

  constructor(
    private readonly log: Log,
    private readonly clock: Clock,
    private readonly message: string,
    private readonly fields: LogFields = {},
  ) {}

  readonly note = (fault: unknown): void => {
    const reason = reasonOf(fault);
    const repeats = this.repeats.pass(reason, this.clock.now().getTime());
    if (repeats === undefined) return;
    this.log.warn({ ...this.fields, reason, ...(repeats === 0 ? {} : { repeats }) }, this.message);
  };
}

/** The fault and its causes in one line. A stack would show where we noticed the fault, not why it happened. */
export function reasonOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  // A host with several addresses gives an AggregateError without a message.
  const own = fault.message || ('code' in fault ? String(fault.code) : fault.name);
  if (fault.cause === undefined) return own;
  const cause = reasonOf(fault.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}
