import { randomUUID } from 'node:crypto';
import { BoundedMap, RepeatFilter } from '@sallyport/concurrency';
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
    protected readonly log: Log,
    private readonly clock: Clock,
    protected readonly message: string,
    private readonly fields: LogFields = {},
  ) {}

  readonly note = (fault: unknown): void => void this.noteWith(fault, {});

  /** As `note`, with fields of this one fault. @returns whether it has got a line */
  noteWith(fault: unknown, fields: LogFields): boolean {
    const repeats = this.repeats.pass(keyOf(fault), this.clock.now().getTime());
    if (repeats === undefined) return false;
    this.write(fault, { ...this.fields, ...fields, ...(repeats === 0 ? {} : { repeats }) });
    return true;
  }

  protected write(fault: unknown, fields: LogFields): void {
    this.log.warn({ ...fields, reason: reasonOf(fault) }, this.message);
  }
}

/**
 * The same for faults inside, which somebody has to look at: with the stack, as errors. A full disk makes every request
 * fail, and the log is on that disk.
 */
export class InnerFaultLog extends FaultLog {
  private readonly correlationIds = new BoundedMap<string, string>(mostSources);

  /** As `note`. @returns the correlation id of the line that tells of this fault, or of one like it */
  identify(fault: unknown): string {
    const [key, correlationId] = [keyOf(fault), randomUUID()];
    if (this.noteWith(fault, { correlationId })) this.correlationIds.set(key, correlationId);
    return this.correlationIds.get(key) ?? correlationId;
  }

  protected override write(error: unknown, fields: LogFields): void {
    this.log.error({ ...fields, error }, this.message);
  }
}

/** Faults with the same key are the same. The path of a temporary file is another one each time. */
function keyOf(fault: unknown): string {
  if (!(fault instanceof Error)) return reasonOf(fault);
  if ('path' in fault && 'code' in fault) return `${String(fault.code)} of a file`;
  return fault.cause instanceof Error && 'path' in fault.cause ? keyOf(fault.cause) : reasonOf(fault);
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
