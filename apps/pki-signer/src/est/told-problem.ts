import { Problem } from '@sallyport/protocol';
import { type Clock, FaultLog, InnerFaultLog, type Log, SystemClock } from '@sallyport/runtime';

/**
 * What EST clients are told of faults. They get a fault that they can act on; any other is logged, and the client gets its
 * correlation id. The operator has to mend what the client cannot: a key that does not open, a registry or store that
 * does not answer.
 */
export class ToldProblems {
  private readonly inner: InnerFaultLog;
  private readonly unserved: FaultLog;

  constructor(log: Log, clock: Clock = new SystemClock()) {
    this.inner = new InnerFaultLog(log, clock, 'EST request failed inside');
    this.unserved = new FaultLog(log, clock, 'EST request could not be served');
  }

  /** The problem to answer with. */
  of(error: unknown): Problem {
    if (error instanceof Problem && error.status !== 500 && error.type !== 'conflict') {
      if (error.status > 500) this.unserved.note(error);
      return error;
    }
    const correlationId = this.inner.identify(error);
    return new Problem('internal', `Something failed inside. Correlation id ${correlationId}.`);
  }
}
