import type { Command } from 'commander';
import { CommandLog } from '../command-log.js';
import { createProgram } from '../program.js';
import {
  type ArgumentDescription,
  type CommandDescription,
  describeCommand,
  type OptionDescription,
} from './command-description.js';

/** The page `docs/reference/cli.md`: every command with its arguments, options and examples. */
export function renderCliReference(): string {
  const program = createProgram(nobody);
  const { options } = describeCommand(program);
  const sections = commandsBelow(program).map((command) => section(describeCommand(command)));
  return [intro, optionTable('Options of every command', options), ...sections].join('\n\n').concat('\n');
}

const intro = `# Commands

<!-- Made by tools/write-reference.mjs from the command tree. Do not edit. -->

\`sallyport\` also answers to the name \`tedge\`. \`sallyport help COMMAND\` shows the same as this page; with \`--json\` it is a
description for programs.

With \`--json\` a command prints one JSON document to standard output, or one a line where it prints a stream. Each line
of standard error is a document too: \`{"error": {"what", "remedy", "type"}}\`, \`{"warning": …}\` or \`{"note": …}\`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | called wrongly; nothing was done |
| 130 | ended by Ctrl-C |

\`cert needs-renewal\`, \`connect\`, \`doctor\`, \`status\` and \`bridge test\` say more by their exit code; see their help.`;

const nowhere = { write: () => undefined };

const nobody = {
  stdout: nowhere,
  stderr: nowhere,
  stdin: noInput(),
  env: {},
  cwd: '/',
  now: () => new Date(0),
  signal: new AbortController().signal,
  userName: undefined,
  programName: 'sallyport',
  log: new CommandLog(nowhere),
  typed: (text: string) => text,
};

async function* noInput(): AsyncGenerator<string> {}

function commandsBelow(command: Command): Command[] {
  const children = command.createHelp().visibleCommands(command);
  return children
    .filter((child) => command.parent === null || child.name() !== 'help')
    .flatMap((child) => [child, ...commandsBelow(child)]);
}

function section(described: CommandDescription): string {
  const { command, description, usage, commands, examples } = described;
  const level = command.includes(' ') ? '###' : '##';
  const parts = [
    `${level} ${command}`,
    `${description.charAt(0).toUpperCase()}${description.slice(1)}.`,
    ...(commands.length > 0 ? [] : [`\`\`\`\nsallyport ${command} ${usage}\n\`\`\``]),
    ...(commands.length > 0 ? [] : argumentTable(described.arguments)),
    ...(commands.length > 0 ? [] : ownOptions(described.options)),
    ...(commands.length > 0 ? [] : [`\`\`\`sh\n${examples.map((line) => `sallyport ${line}`).join('\n')}\n\`\`\``]),
  ];
  return parts.join('\n\n');
}

function argumentTable(described: readonly ArgumentDescription[]): string[] {
  if (described.length === 0) return [];
  const rows = described.map(({ name, description, isRequired, isRepeatable, choices }) => {
    const text = `${name}${isRepeatable ? '...' : ''}`;
    return row([`\`${isRequired ? `<${text}>` : `[${text}]`}\``, withChoices(description, choices)]);
  });
  return [['| argument | meaning |', '|---|---|', ...rows].join('\n')];
}

function ownOptions(described: readonly OptionDescription[]): string[] {
  const own = described.filter(({ flags }) => !flags.includes('--help'));
  return own.length === 0 ? [] : [optionTable(undefined, own)];
}

function optionTable(title: string | undefined, described: readonly OptionDescription[]): string {
  const rows = described.map((option) => {
    const standard = option.default === undefined ? '' : ` (default: ${String(option.default)})`;
    return row([`\`${option.flags}\``, `${withChoices(option.description, option.choices)}${standard}`]);
  });
  return [...(title === undefined ? [] : [`## ${title}`, '']), '| option | meaning |', '|---|---|', ...rows].join('\n');
}

function withChoices(text: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? text : `${text}: ${choices.join(', ')}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells
    .map((cell) =>
      cell
        .replaceAll('|', '\\|')
        .replaceAll('<', '&lt;')
        .replace(/`([^`]*)`/g, (code) => code.replaceAll('&lt;', '<')),
    )
    .join(' | ')} |`;
}
