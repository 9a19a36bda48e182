import { type EntranceName, Problem, recordRefusal } from '@sallyport/protocol';
import { type ConnectedContext, FaultLog } from '@sallyport/runtime';
import type { RefusalEvent } from '@sallyport/tls';

/**
 * Reports in progress at a time. Refusing a client is cheap for us, but a report costs the registry time, which it
 * needs to admit other peers.
 */
const mostUnderWay = 16;

/** Reports refusals to the registry's audit log, as far as the registry keeps up. The metrics count all of them. */
export class RefusalReports {
  private readonly faults: FaultLog;
  private underWay = 0;

  constructor(private readonly context: ConnectedContext) {
    this.faults = new FaultLog(context.log, context.clock, 'refusals could not be recorded in the audit log');
  }

  /**
   * Never waits, never throws.
   *
   * @param leftOut  refusals like this one that were not reported
   */
  report(
    { detail: _, ...refusal }: RefusalEvent,
    { entrance, leftOut }: { entrance: EntranceName; leftOut: number },
  ): void {
    if (this.underWay >= mostUnderWay) {
      this.faults.note(new Problem('unavailable', `The registry has not taken the last ${mostUnderWay} of them yet.`));
      return;
    }
    this.underWay += 1;
    this.context.rpc
      .call(recordRefusal, { ...refusal, entrance, ...(leftOut > 0 ? { leftOut } : {}) })
      .catch(this.faults.note)
      .finally(() => {
        this.underWay -= 1;
      });
  }
}
