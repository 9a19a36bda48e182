import { configKeys } from '@sallyport/config';
import type { CompletionNode, Offer, OptionNode } from './command-tree.js';

/** The script for fish. */
export function fishScript(nodes: readonly CompletionNode[], programs: readonly string[]): string {
  const lines = nodes.flatMap((node) => programs.flatMap((program) => nodeLines(program, node)));
  return `${[...lines, npxLine].join('\n')}\n`;
}

// What follows "npx" is completed as if it stood alone.
const npxLine = `complete -c npx -f -n 'string match -qr "^npx (sallyport|tedge) " -- (commandline -cp)' -a '(complete -C (string replace -r "^npx " "" -- (commandline -cp)))'`;

function nodeLines(program: string, { path, commands, options, arguments: places }: CompletionNode): string[] {
  const condition = conditionFor(path, commands);
  return [
    ...commands.map(({ name, description }) => line(program, condition, `-f -a ${name}`, description)),
    ...places.flatMap((offer) => placeLines(offer).map((what) => line(program, condition, what, ''))),
    ...options.map((option) => line(program, condition, optionText(program, option), option.description)),
  ];
}

function placeLines(offer: Offer): string[] {
  if (offer === 'device') return [`-f -a ${quoted('(sallyport __devices (commandline -ct) 2>/dev/null)')}`];
  if (offer === 'key') return [`-f -a ${quoted(configKeys.join(' '))}`];
  return typeof offer === 'string' ? [] : [`-f -a ${quoted(offer.join(' '))}`];
}

function optionText(program: string, { flag, value }: OptionNode): string {
  const name = `-l ${flag.slice(2)}`;
  if (value === undefined) return name;
  if (value === 'device') return `${name} -x -a ${quoted(`(${program} __devices (commandline -ct) 2>/dev/null)`)}`;
  if (value === 'folder') return `${name} -x -a ${quoted('(__fish_complete_directories)')}`;
  return typeof value === 'string' ? `${name} -r` : `${name} -x -a ${quoted(value.join(' '))}`;
}

function conditionFor(path: string, commands: CompletionNode['commands']): string {
  const names = path.split(' ').filter((word) => word !== '');
  const seen = names.map((word) => `__fish_seen_subcommand_from ${word}`);
  const unseen =
    commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`];
  return [...seen, ...unseen].join('; and ');
}

function line(program: string, condition: string, what: string, description: string): string {
  const when = condition === '' ? '' : ` -n '${condition}'`;
  return `complete -c ${program}${when} ${what}${description === '' ? '' : ` -d ${quoted(description)}`}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
