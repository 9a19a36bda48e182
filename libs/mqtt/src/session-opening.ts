import { within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';

const openDeadlineMs = 30_000;

/** The wait for the first connection. Ends early when a fault shows that it cannot succeed. */
export class SessionOpening {
  private readonly hopeless: Promise<never>;
  private giveUp: (problem: Problem) => void = () => undefined;
  private lastFault: Error | undefined;

  constructor(private readonly signal: AbortSignal | undefined) {
    this.hopeless = new Promise<never>((_, reject) => {
      this.giveUp = reject;
    });
  }

  /** The caller must mend a Problem, so the wait ends. Any other fault may pass. */
  note(fault: Error): void {
    this.lastFault = fault;
    if (fault instanceof Problem) this.giveUp(fault);
  }

  async wait(connected: Promise<unknown>): Promise<void> {
    const abort = (): void => this.giveUp(new Problem('unavailable', 'The service is stopping.'));
    this.signal?.addEventListener('abort', abort, { once: true });
    if (this.signal?.aborted) abort();
    try {
      await within(Promise.race([connected, this.hopeless]), openDeadlineMs, {
        late: () => notReached(this.lastFault),
      });
    } finally {
      this.signal?.removeEventListener('abort', abort);
    }
  }
}

export function notReached(cause: Error | undefined): Problem {
  const reason = cause?.message ?? 'no answer';
  return new Problem('unavailable', `Cannot reach the MQTT broker: ${reason}. Check that it runs and its address.`, {
    cause,
  });
}
