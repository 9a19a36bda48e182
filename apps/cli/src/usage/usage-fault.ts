import type { Command } from 'commander';
import { UsageFault } from '../failure.js';
import { withoutControls } from '../output.js';

/** The code of a group that was called without a command; commander has none for it. */
export const commandMissing = 'sallyport.commandMissing';

/**
 * The fault that the option parser found, in our words. This is the only place that knows the texts of commander.
 *
 * @param command the command that was called
 * @param text message of commander, or of a command of ours that says `error: …`
 */
export function usageFault(command: Command, text: string, code = ''): UsageFault {
  const plain = text.replace(/^error: /, '');
  const { what, remedy } = rewordings[code]?.(command, plain) ?? { what: sentence(plain) };
  return new UsageFault(shown(what), shown(remedy ?? `See: ${helpLine(command)}`));
}

/** A command as it is typed: `npx sallyport cert show`. */
export function typedName(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${typedName(parent)} ${command.name()}`;
}

/** A command in a sentence: without the name of the program, which may be a long path. */
function spokenName(command: Command): string {
  const [program = '', ...names] = ancestry(command).map((one) => one.name());
  return names.length === 0 ? program : names.join(' ');
}

/** The command that explains a command. */
export function helpLine(command: Command): string {
  const [program = '', ...names] = ancestry(command).map((one) => one.name());
  return [program, 'help', ...names].join(' ');
}

function ancestry(command: Command): Command[] {
  return command.parent === null ? [command] : [...ancestry(command.parent), command];
}

interface Words {
  readonly what: string;
  readonly remedy?: string;
}

/** By the code of commander. A text that is not as expected stays as it is. */
const rewordings: Readonly<Record<string, (command: Command, text: string) => Words | undefined>> = {
  [commandMissing]: (command) => ({ what: `"${spokenName(command)}" needs a command.` }),
  'commander.unknownCommand': (command, text) => {
    const [, name, suggestion = ''] = /^unknown command '([\s\S]*?)'(?:\n\((.*)\))?$/.exec(text) ?? [];
    return { what: `There is no command "${withWord(command, name)}".`, remedy: suggested(command, suggestion) };
  },
  'commander.unknownOption': (command, text) => {
    const [, flag = '', suggestion = ''] = /^unknown option '([\s\S]*?)'(?:\n\((.*)\))?$/.exec(text) ?? [];
    const what = `"${spokenName(command)}" has no option ${withoutValue(flag)}.`;
    return { what, remedy: suggested(command, suggestion) };
  },
  'commander.missingArgument': (command, text) => {
    const [, name = ''] = /'(.*)'/.exec(text) ?? [];
    const { description = '' } = command.registeredArguments.find((argument) => argument.name() === name) ?? {};
    const what = `"${spokenName(command)}" needs <${name}>${description === '' ? '' : `: ${description}`}.`;
    return { what, remedy: `Write: ${typedName(command)} ${command.usage()}` };
  },
  'commander.excessArguments': (command) => {
    const surplus = command.args.slice(command.registeredArguments.length);
    return { what: `"${spokenName(command)}" takes ${countOf(command)}; "${surplus.join(' ')}" is too much.` };
  },
  'commander.optionMissingArgument': (_command, text) => {
    const [, flags = ''] = /^option '(.*)' argument missing$/.exec(text) ?? [];
    const [, names = '', value = ''] = /^(.*?) ?(<.*>)?$/.exec(flags) ?? [];
    return { what: `Option ${names} needs a value: ${value}.` };
  },
  'commander.missingMandatoryOptionValue': (command, text) => {
    const [, flags = ''] = /'(.*)'/.exec(text) ?? [];
    return { what: `"${spokenName(command)}" needs the option ${flags}.` };
  },
  'commander.conflictingOption': (_command, text) => ({
    what: sentence(
      text.replace(
        /(option|environment variable) '([^']*)'/g,
        (_, kind: string, flags: string) => `${kind} ${longName(flags)}`,
      ),
    ),
    remedy: 'Give one of them.',
  }),
  'commander.invalidArgument': (_command, text) => invalidValue(text),
};

/** `Option --overlap: "5" is no duration: write it as 30s, 10m, 24h or 90d.` */
function invalidValue(text: string): Words | undefined {
  const ofArgument = /^command-argument value '([\s\S]*)' is invalid for argument '([^']*)'\. ([\s\S]*)$/.exec(text);
  const ofOption = /^option '([^']*)' argument '([\s\S]*)' is invalid\. ([\s\S]*)$/.exec(text);
  const [, value, name = '', reason = ''] = ofArgument ?? [];
  if (ofArgument !== null) return { what: refusal(`Argument <${name}>`, value, reason) };
  const [, flags = '', given, rule = ''] = ofOption ?? [];
  return ofOption === null ? undefined : { what: refusal(`Option ${longName(flags)}`, given, rule) };
}

/** Most of our rules begin with the value themselves. */
function refusal(place: string, value: string | undefined, reason: string): string {
  if (reason.startsWith('"')) return `${place}: ${reason}`;
  return `${place} cannot be "${value}". ${reason.replace(/^Allowed choices are (.*)\.$/s, 'It is one of $1.')}`;
}

function longName(flags: string): string {
  return /--[^ ,]+/.exec(flags)?.[0] ?? flags;
}

/** An unknown option without its value: the option may be misspelt, and the value a secret. */
function withoutValue(flag: string): string {
  return /^(?:--[^=]*|-[^-])/.exec(flag)?.[0] ?? flag;
}

function withWord(command: Command, word = ''): string {
  const [, ...names] = ancestry(command).map((one) => one.name());
  return [...names, word].join(' ');
}

function suggested(command: Command, suggestion: string): string {
  return [...(suggestion === '' ? [] : [suggestion]), `See: ${helpLine(command)}`].join(' ');
}

function countOf({ registeredArguments }: Command): string {
  const { length } = registeredArguments;
  if (length === 0) return 'no arguments';
  return length === 1 ? '1 argument' : `${length} arguments`;
}

function sentence(text: string): string {
  const capitalised = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.?!]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}

const longestWord = 80;

/** A value in it is shortened, and cannot control the terminal. */
function shown(text: string): string {
  return withoutControls(text)
    .replaceAll('\n', ' ')
    .replace(/\S{81,}/g, (word) => `${word.slice(0, longestWord)}…`);
}
