import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { UsageFault } from '../failure.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson } from '../output.js';
import { helpLine, typedName } from '../usage/usage-fault.js';
import { commandPath, describeCommand } from './command-description.js';
import { examplesOf } from './examples.js';

/** Gives every group of commands `help`, and the help of every command its examples. */
export function addHelp(context: CliContext, command: Command): void {
  command.helpCommand(false);
  const examples = examplesOf(commandPath(command)).map((line) => `  ${context.programName} ${line}`);
  if (examples.length > 0) command.addHelpText('after', `\nExamples:\n${examples.join('\n')}`);
  if (command.commands.length > 0) helpCommand(context, command);
  for (const child of command.commands) addHelp(context, child);
}

/** `help`, and `help COMMAND SUB`: the same text as with `--help`; with `--json` a description for programs. */
function helpCommand(context: CliContext, parent: Command): void {
  parent
    .command('help')
    .description('explain a command')
    .argument('[command...]', 'names of the command, as in: help device show')
    .action((names: readonly string[], _options: unknown, command: Command) => {
      const explained = names.reduce(childOf, parent);
      if (optionsOf(command, globalOptions).json) writeJson(context, describeCommand(explained));
      else explained.outputHelp();
    });
}

function childOf(parent: Command, name: string): Command {
  const child = parent.commands.find((candidate) => candidate.name() === name);
  if (child !== undefined) return child;
  const names = parent
    .createHelp()
    .visibleCommands(parent)
    .map((candidate) => candidate.name());
  throw new UsageFault(
    `"${typedName(parent)}" has no command "${name}".`,
    names.length === 0 ? `See: ${helpLine(parent)}` : `Its commands: ${names.join(', ')}.`,
  );
}
