import { type ProcessArguments, processArguments, renderCommandHelp } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';

/**
 * The arguments of this process; undefined if nothing is to start: they ask for help, or the working folder has been
 * deleted. Then the help or the fault has been printed, and the exit code is set.
 */
export function startArguments(command: string): ProcessArguments | undefined {
  const given = argumentsOrFault();
  if (given instanceof Problem) {
    process.stderr.write(`Error: ${given.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
  const isHelpWanted = (given.options.argv ?? []).some((word) => word === '--help' || word === '-h');
  if (!isHelpWanted) return given;
  process.stdout.write(`${renderCommandHelp(command).trimEnd()}\n`);
  return undefined;
}

function argumentsOrFault(): ProcessArguments | Problem {
  try {
    return processArguments();
  } catch (fault) {
    if (fault instanceof Problem) return fault;
    throw fault;
  }
}
