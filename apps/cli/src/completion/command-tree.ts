import type { Command } from 'commander';

/** One command as completion sees it. */
export interface CompletionNode {
  /** Names from the program's subcommands down: `config get`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly { readonly flag: string; readonly description: string }[];
  /** Words that may stand as the first argument, such as the names of settings. */
  readonly words: readonly string[];
}

/**
 * Every command of a program, the program itself first.
 *
 * @param wordsFor words that complete the arguments of a command, by its path
 */
export function completionNodes(program: Command, wordsFor: (path: string) => readonly string[]): CompletionNode[] {
  return nodesBelow(program, '', globalOptionsOf(program), wordsFor);
}

type OptionEntry = CompletionNode['options'][number];

function nodesBelow(
  command: Command,
  path: string,
  globals: readonly OptionEntry[],
  wordsFor: (path: string) => readonly string[],
): CompletionNode[] {
  const { visibleCommands, visibleOptions } = visible(command);
  const node: CompletionNode = {
    path,
    commands: visibleCommands.map((child) => ({ name: child.name(), description: child.description() })),
    options: [...(path === '' ? [] : visibleOptions), ...globals],
    words: [...choicesOf(command), ...wordsFor(path)],
  };
  const below = visibleCommands.filter((child) => child.name() !== 'help');
  return [node, ...below.flatMap((child) => nodesBelow(child, `${path} ${child.name()}`.trim(), globals, wordsFor))];
}

function visible(command: Command) {
  const help = command.createHelp();
  return { visibleCommands: help.visibleCommands(command), visibleOptions: entriesOf(help.visibleOptions(command)) };
}

function globalOptionsOf(program: Command): OptionEntry[] {
  return entriesOf(program.createHelp().visibleOptions(program)).filter(({ flag }) => flag !== '--help');
}

function entriesOf(options: readonly { long?: string; description: string }[]): OptionEntry[] {
  return options.flatMap(({ long, description }) => (long === undefined ? [] : [{ flag: long, description }]));
}

function choicesOf(command: Command): readonly string[] {
  return command.registeredArguments[0]?.argChoices ?? [];
}
