import { usePlainIssues } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliWorld } from './cli-context.js';
import { CommandLog } from './command-log.js';
import { describeFault, exitCodeOf, Interruption, UsageFault } from './failure.js';
import { createProgram } from './program.js';
import { type Called, writeReport } from './report.js';

/**
 * Runs one command line.
 *
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 interrupted; some commands define their own
 */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  usePlainIssues();
  const log = new CommandLog(world.stderr);
  const context = { ...world, log };
  const program = createProgram(context);
  const words = withFragment(argv);
  try {
    await program.parseAsync(words, { from: 'user' });
    return 0;
  } catch (fault) {
    const isInterrupted = context.signal.aborted || fault instanceof Interruption;
    const report = isInterrupted ? interrupted : describeFault(fault);
    const called = calledAs(words, program);
    if (fault instanceof UsageFault && fault.help !== undefined && !called.json) context.stderr.write(fault.help);
    else if (report !== undefined) writeReport(context, report, called);
    log.debugCauses(fault);
    return exitCodeOf(fault, isInterrupted);
  }
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
function calledAs(argv: readonly string[], program: Command): Called {
  const json = argv.some((word) => word === '--json' || word === '--json=true');
  const { configDir } = program.opts<{ readonly configDir?: string }>();
  return { json, configDir };
}

const interrupted = { what: 'Interrupted.', remedy: 'Run the command again to go on.', type: 'interrupted' };
