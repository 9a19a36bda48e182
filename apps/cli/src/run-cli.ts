import type { CliContext } from './cli-context.js';
import { describeFault, exitCodeOf } from './failure.js';
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
    reportFault(fault, context, argv.includes('--json'));
    return exitCodeOf(fault, context.signal.aborted);
  }
}

function reportFault(fault: unknown, { stderr, signal }: CliContext, asJson: boolean): void {
  const report = signal.aborted ? interrupted : describeFault(fault);
  if (report === undefined) return;
  if (asJson) stderr.write(`${JSON.stringify({ error: report })}\n`);
  else stderr.write(`Error: ${report.what}\n${report.remedy === '' ? '' : `${report.remedy}\n`}`);
}

const interrupted = { what: 'Interrupted.', remedy: 'Run the command again to go on.', type: 'interrupted' };
