import type { CliContext } from '../cli-context.js';
import { describeFault, Failure } from '../failure.js';
import { Progress, withoutControls } from '../output.js';

/** One step of connecting, and how it went. */
export interface CloudStep {
  readonly step: string;
  readonly outcome: 'done' | 'failed' | 'skipped' | 'taken back';
  readonly detail?: string;
}

const marks: Readonly<Record<CloudStep['outcome'], string>> = {
  done: '✓',
  failed: '✗',
  skipped: 'skipped',
  'taken back': 'taken back',
};

/**
 * Runs steps and tells of each on stderr when it ends, in the form of thin-edge.io, which scripts read:
 * `Verifying device is connected to cloud... ✓`. With `--json` it keeps them for the end.
 */
export class CloudSteps {
  readonly steps: CloudStep[] = [];
  private readonly progress: Progress;

  constructor(
    private readonly context: CliContext,
    private readonly isSilent: boolean,
  ) {
    this.progress = new Progress(context.stderr);
  }

  /** @throws what the work throws */
  async run<Result>(step: string, work: () => Promise<Result>): Promise<Result> {
    this.context.signal.throwIfAborted();
    try {
      const result = await this.progress.during(step, work);
      this.note(step, 'done');
      return result;
    } catch (fault) {
      this.context.signal.throwIfAborted();
      this.note(step, 'failed', fault instanceof Failure ? fault.message : describeFault(fault)?.what);
      throw fault;
    }
  }

  note(step: string, outcome: CloudStep['outcome'], detail?: string): void {
    this.steps.push({ step, outcome, ...(detail === undefined ? {} : { detail }) });
    // Why a step failed is told at the end, together with what to do.
    const reason = detail === undefined || outcome === 'failed' ? '' : `: ${detail}`;
    this.write(`${step}... ${marks[outcome]}${reason}`);
  }

  /** Lines about what follows. */
  tell(lines: readonly string[]): void {
    for (const line of lines) this.write(line);
  }

  private write(line: string): void {
    const [indent, text] = line.startsWith('\t') ? ['\t', line.slice(1)] : ['', line];
    if (!this.isSilent) this.context.stderr.write(`${indent}${withoutControls(text)}\n`);
  }
}
