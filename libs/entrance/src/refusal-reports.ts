import { type EntranceGroup, Problem, recordRefusal } from '@sallyport/protocol';
import { type ConnectedContext, FaultLog } from '@sallyport/runtime';
import type { RefusalEvent } from '@sallyport/tls';

/**
 * Reports under way at a time. Who has no certificate costs us little to turn away; telling the registry of each one
 * must not take the time it needs to admit the others.
 */
const mostUnderWay = 16;

/** Tells the registry's audit log about what is in the log, as far as it keeps up; metrics count all peers turned away. */
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
    { entrance, leftOut }: { entrance: EntranceGroup; leftOut: number },
  ): void {
    if (this.underWay >= mostUnderWay) {
      this.faults.note(new Problem('unavailable', `The registry has not taken the last ${mostUnderWay} of them yet.`));
      return;
    }
    this.underWay += 1;
    this.context.rpc
      .call(recordRefusal, { ...refusal, entrance, ...(leftOut > 0 && { leftOut }) })
      .catch(this.faults.note)
      .finally(() => {
        this.underWay -= 1;
      });
  }
}
