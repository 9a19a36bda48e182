import { describeKey, findKey } from '@sallyport/config';
import type { Argument, Command, Option } from 'commander';

/** What may stand in one place: a few words, or a kind of name that the shell or the site knows. */
export type Offer = readonly string[] | 'file' | 'folder' | 'device' | 'key' | 'value' | 'anything';

/** An option as completion sees it. */
export interface OptionNode {
  readonly flag: string;
  readonly description: string;
  /** What follows the option; undefined when it takes no value. */
  readonly value: Offer | undefined;
}

/** One command as completion sees it. */
export interface CompletionNode {
  /** Names from the program's subcommands down: `config get`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionNode[];
  /** By position. */
  readonly arguments: readonly Offer[];
}

/** Every command of a program that its help shows, the program itself first. */
export function completionNodes(program: Command): CompletionNode[] {
  return nodesBelow(program, '', globalOptionsOf(program));
}

function nodesBelow(command: Command, path: string, globals: readonly OptionNode[]): CompletionNode[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const node: CompletionNode = {
    path,
    commands: commands.map((child) => ({ name: child.name(), description: child.description() })),
    options: [...(path === '' ? [] : help.visibleOptions(command).flatMap(optionNode)), ...globals],
    arguments: command.registeredArguments.map(argumentOffer),
  };
  const below = commands.map((child) => ({ child, childPath: `${path} ${child.name()}`.trim() }));
  return [
    node,
    ...below.flatMap(({ child, childPath }) =>
      child.name() === 'help' ? helpNodes(command, childPath, globals) : nodesBelow(child, childPath, globals),
    ),
  ];
}

/** `help device show`: after `help` come the names of commands, without their arguments. */
function helpNodes(explained: Command, path: string, options: readonly OptionNode[]): CompletionNode[] {
  const children = explained
    .createHelp()
    .visibleCommands(explained)
    .filter((child) => child.name() !== 'help');
  const commands = children.map((child) => ({ name: child.name(), description: child.description() }));
  return [
    { path, commands, options, arguments: [] },
    ...children.flatMap((child) => helpNodes(child, `${path} ${child.name()}`, options)),
  ];
}

function globalOptionsOf(program: Command): OptionNode[] {
  const options = program.createHelp().visibleOptions(program);
  return options.flatMap(optionNode).filter(({ flag }) => flag !== '--help');
}

function optionNode({ long, flags, description, required, argChoices }: Option): OptionNode[] {
  if (long === undefined || long === null) return [];
  const [, placeholder = ''] = /<([^>]*)>/.exec(flags) ?? [];
  return [{ flag: long, description, value: required ? (argChoices ?? offerFor(placeholder)) : undefined }];
}

function argumentOffer(argument: Argument): Offer {
  return argument.argChoices ?? offerFor(argument.name());
}

const offers: Readonly<Record<string, Offer>> = {
  file: 'file',
  dir: 'folder',
  device: 'device',
  devices: 'device',
  key: 'key',
  value: 'value',
};

function offerFor(placeholder: string): Offer {
  return offers[placeholder] ?? 'anything';
}

/** The words a setting may have; none for one that is no choice. */
export function valuesOfKey(name: string): readonly string[] {
  const key = findKey(name)?.key;
  if (key === undefined) return [];
  const { name: typeName, rule } = describeKey(key).type;
  if (typeName === 'bool') return ['true', 'false'];
  return /^one of ([\w., -]+)$/.exec(rule)?.[1]?.split(', ') ?? [];
}
