import type { CliContext } from './cli-context.js';
import { describeFault, exitCodeOf, type FaultReport, Interruption } from './failure.js';
import { createProgram } from './program.js';

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted; some commands define their own
 */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const program = createProgram(context);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (fault) {
    const isInterrupted = context.signal.aborted || fault instanceof Interruption;
    const report = isInterrupted ? interrupted : describeFault(fault);
    if (report !== undefined) writeReport(report, context, argv.includes('--json'));
    return exitCodeOf(fault, isInterrupted);
  }
}

function writeReport(report: FaultReport, { stderr }: CliContext, asJson: boolean): void {
  if (asJson) stderr.write(`${JSON.stringify({ error: report })}\n`);
  else stderr.write(`Error: ${report.what}\n${report.remedy === '' ? '' : `${report.remedy}\n`}`);
}

const interrupted = { what: 'Interrupted.', remedy: 'Run the command again to go on.', type: 'interrupted' };
