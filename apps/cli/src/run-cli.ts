import { giveAddressesTime, usePlainIssues } from '@sallyport/protocol';
import type { CliContext, CliWorld } from './cli-context.js';
import { CommandLog } from './command-log.js';
import { describeFault, exitCodeOf, Interruption, UsageFault } from './failure.js';
import { createProgram } from './program.js';
import { asTyped, writeReport } from './report.js';

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted; some commands define their own
 */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  usePlainIssues();
  giveAddressesTime();
  const words = withFragment(argv);
  const asJson = isJson(words);
  const log = new CommandLog(world.stderr, asJson);
  const typed = (text: string) => asTyped(text, world, program.opts<{ readonly configDir?: string }>());
  const context: CliContext = { ...world, log, typed };
  const program = createProgram(context, asJson);
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (fault) {
    const isInterrupted = context.signal.aborted || fault instanceof Interruption;
    const report = isInterrupted ? interrupted : describeFault(fault);
    if (fault instanceof UsageFault && fault.help !== undefined && !asJson) context.stderr.write(fault.help);
    else if (report !== undefined) writeReport(context, report, asJson);
    log.debugCauses(fault);
    return exitCodeOf(fault, isInterrupted);
  }
}

/**
 * Tells of a fault from before there is a world to run a command line in.
 *
 * @returns the exit code
 */
export function reportStartFault(fault: unknown, argv: readonly string[], stderr: CliWorld['stderr']): number {
  const report = describeFault(fault);
  if (report !== undefined) writeReport({ stderr, env: {}, typed: (text) => text }, report, isJson(withFragment(argv)));
  return exitCodeOf(fault, false);
}

/**
 * `upload c8y --json '{...}'` of thin-edge.io has a value, where `--json` of every command here has none. So it is
 * called `--fragment` from here on.
 */
function withFragment(argv: readonly string[]): string[] {
  if (!argv.includes('upload')) return [...argv];
  return argv.map((word, index) => {
    if (word === '--json' && /^\s*\{/.test(argv[index + 1] ?? '')) return '--fragment';
    return word.replace(/^--json=(?=\s*\{)/, '--fragment=');
  });
}

/** Also for a wrong command line: a program that reads JSON needs the error as JSON too. */
function isJson(words: readonly string[]): boolean {
  return words.some((word) => word === '--json' || word === '--json=true');
}

const interrupted = { what: 'Interrupted.', remedy: 'Run the command again to go on.', type: 'interrupted' };
