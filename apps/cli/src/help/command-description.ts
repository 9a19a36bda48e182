import type { Argument, Command, Option } from 'commander';
import { examplesOf } from './examples.js';

/** A command as its help explains it, for programs (`help --json`) and for the reference page. */
export interface CommandDescription {
  /** Without the name of the program: `device show`; empty for the program itself. */
  readonly command: string;
  readonly description: string;
  /** What follows the name of the command: `[options] <device>`. */
  readonly usage: string;
  readonly arguments: readonly ArgumentDescription[];
  readonly options: readonly OptionDescription[];
  readonly commands: readonly Pick<CommandDescription, 'command' | 'description'>[];
  /** Command lines without the name of the program. */
  readonly examples: readonly string[];
}

/** One argument of a command. */
export interface ArgumentDescription {
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
  readonly isRepeatable: boolean;
  readonly choices?: readonly string[];
}

/** One option of a command. */
export interface OptionDescription {
  readonly flags: string;
  readonly description: string;
  readonly isRequired: boolean;
  readonly choices?: readonly string[];
  readonly default?: unknown;
}

/** Names from below the program down: `device show`. */
export function commandPath(command: Command): string {
  const { parent } = command;
  return parent === null ? '' : `${commandPath(parent)} ${command.name()}`.trim();
}

/** What the help of a command says. */
export function describeCommand(command: Command): CommandDescription {
  const help = command.createHelp();
  const path = commandPath(command);
  return {
    command: path,
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map(describeArgument),
    options: help.visibleOptions(command).map(describeOption),
    commands: help
      .visibleCommands(command)
      .map((child) => ({ command: commandPath(child), description: child.description() })),
    examples: examplesOf(path),
  };
}

function describeArgument(argument: Argument): ArgumentDescription {
  const { description, required, variadic, argChoices } = argument;
  return {
    name: argument.name(),
    description,
    isRequired: required,
    isRepeatable: variadic,
    ...(argChoices === undefined ? {} : { choices: argChoices }),
  };
}

function describeOption({ flags, description, mandatory, argChoices, defaultValue }: Option): OptionDescription {
  return {
    flags,
    description,
    isRequired: mandatory,
    ...(argChoices === undefined ? {} : { choices: argChoices }),
    ...(defaultValue === undefined || typeof defaultValue === 'boolean' ? {} : { default: defaultValue }),
  };
}
