import { type ProcessArguments, processArguments, renderCommandHelp } from '@sallyport/config';

/** The arguments of this process; undefined if they ask for help. Then the help has been printed. */
export function startArguments(command: string): ProcessArguments | undefined {
  const given = processArguments();
  const isHelpWanted = (given.options.argv ?? []).some((word) => word === '--help' || word === '-h');
  if (!isHelpWanted) return given;
  process.stdout.write(`${renderCommandHelp(command).trimEnd()}\n`);
  return undefined;
}
