import { SerialQueue } from '@sallyport/concurrency';
import { type Clock, FaultLog, type Log, SystemClock } from '@sallyport/runtime';

/** One thing that the signer does again and again. It checks itself whether there is anything to do. */
export interface UpkeepStep {
  /** For the log, such as `CRLs`. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Takes every step in order, again and again. When one fails, the others are still taken. */
export class Upkeep {
  private timer: NodeJS.Timeout | undefined;
  private readonly rounds = new SerialQueue();
  private isStopped = false;
  private readonly steps: readonly (UpkeepStep & { readonly faults: FaultLog })[];

  constructor(
    steps: readonly UpkeepStep[],
    log: Log,
    private readonly intervalMs: number,
    clock: Clock = new SystemClock(),
  ) {
    // On a full disk the same step fails every few seconds. At most one line a minute is logged.
    this.steps = steps.map((step) => ({
      ...step,
      faults: new FaultLog(log, clock, 'upkeep step failed, will be tried again', { step: step.name }),
    }));
  }

  /** Takes every step once, one round at a time. */
  runOnce(): Promise<void> {
    return this.rounds.run(() => this.takeSteps());
  }

  /** Continues until `stop`. */
  start(): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      // It never rejects: a step that fails is logged.
      void this.runOnce().then(() => this.start());
    }, this.intervalMs);
    this.timer.unref();
  }

  /** Resolves when the present round has ended. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.rounds.idle();
  }

  private async takeSteps(): Promise<void> {
    for (const { run, faults } of this.steps) {
      try {
        await run();
      } catch (error) {
        faults.note(error);
      }
    }
  }
}
