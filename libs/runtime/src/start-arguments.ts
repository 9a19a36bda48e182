import { type ProcessArguments, processArguments, renderCommandHelp } from '@sallyport/config';

/** What this process was started with; undefined when it was asked for help, which has then been printed. */
export function startArguments(command: string): ProcessArguments | undefined {
  const given = processArguments();
  const isHelpWanted = (given.options.argv ?? []).some((word) => word === '--help' || word === '-h');
  if (!isHelpWanted) return given;
  process.stdout.write(`${renderCommandHelp(command).trimEnd()}\n`);
  return undefined;
}
