import type { CliContext } from '../cli-context.js';
import { describeFault, Failure } from '../failure.js';
import { Progress, writeLines } from '../output.js';

/** One step of a longer work, and how it went. */
export interface Step {
  readonly step: string;
  readonly outcome: 'done' | 'failed' | 'skipped' | 'taken back';
  readonly detail?: string;
}

const marks: Readonly<Record<Step['outcome'], string>> = {
  done: 'ok    ',
  failed: 'FAILED',
  skipped: '-     ',
  'taken back': 'undo  ',
};

/** Runs steps one after the other and prints each as it ends; with `--json` keeps them for the end. */
export class StepLog {
  readonly steps: Step[] = [];
  private readonly progress: Progress;

  constructor(
    private readonly context: CliContext,
    private readonly isSilent: boolean,
  ) {
    this.progress = new Progress(context.stderr);
  }

  /**
   * @param describe what to print beside the step when it is done
   * @throws Failure that names the step, with the reason as its cause
   */
  async run<Result>(
    step: string,
    work: () => Promise<Result>,
    describe?: (result: Result) => string | undefined,
  ): Promise<Result> {
    this.context.signal.throwIfAborted();
    try {
      const result = await this.progress.during(step, work);
      this.context.signal.throwIfAborted();
      this.note(step, 'done', describe?.(result));
      return result;
    } catch (fault) {
      this.context.signal.throwIfAborted();
      throw this.failed(step, fault);
    }
  }

  note(step: string, outcome: Step['outcome'], detail?: string): void {
    this.steps.push({ step, outcome, ...(detail === undefined ? {} : { detail }) });
    if (!this.isSilent)
      writeLines(this.context, [`${marks[outcome]} ${step}${detail === undefined ? '' : `: ${detail}`}`]);
  }

  private failed(step: string, fault: unknown): Failure {
    const { what = String(fault), remedy = '' } = describeFault(fault) ?? {};
    this.note(step, 'failed', what);
    return new Failure(`"${step}" failed: ${what}`, remedy, { cause: fault });
  }
}
