import type { CliContext } from './cli-context.js';
import { Failure, Interruption } from './failure.js';
import { inputText } from './input-text.js';

const longestLine = 1_024;

// What a terminal in raw mode sends for Ctrl-C, Ctrl-D, Ctrl-U and Escape.
const interrupt = '\u0003';
const endOfInput = '\u0004';
const eraseLine = '\u0015';
const escapeKey = '\u001b';
const lineEnds = ['\r', '\n', interrupt, endOfInput];

/** What to ask for. */
export interface HiddenQuestion {
  /** The secret in words: `one-time password`. */
  readonly what: string;
  /** How to give it where there is no terminal. */
  readonly otherwise: string;
}

/**
 * Asks for one line at the terminal without showing what is typed. The terminal is as before afterwards, whatever
 * happens.
 *
 * @throws Failure: standard input is no terminal, or nothing was typed
 * @throws Interruption: Ctrl-C
 */
export async function readHiddenLine(context: CliContext, { what, otherwise }: HiddenQuestion): Promise<string> {
  const [line = ''] = await askAtTerminal(context, [{ what, isHidden: true }], otherwise);
  return line;
}

interface Keys {
  readonly keys: string;
  /** The key that ended the line; undefined when the terminal went away. */
  readonly end: string | undefined;
}

/** A line to ask for. */
export interface TerminalQuestion {
  /** In words: `user name`. */
  readonly what: string;
  /** Whether what is typed is not shown. */
  readonly isHidden: boolean;
  /** The line before once more, to find a slip of the fingers. */
  readonly isRepeated?: true;
}

/**
 * Asks for several lines at the terminal, one after the other. The terminal is as before afterwards.
 *
 * @param otherwise how to give them where there is no terminal
 * @throws Failure: standard input is no terminal, or nothing was typed
 * @throws Interruption: Ctrl-C
 */
export async function askAtTerminal(
  context: CliContext,
  questions: readonly TerminalQuestion[],
  otherwise: string,
): Promise<string[]> {
  const { stdin } = context;
  const names = questions.flatMap(({ what, isRepeated }) => (isRepeated ? [] : [what])).join(' and ');
  if (stdin.isTTY !== true || stdin.setRawMode === undefined)
    throw new Failure(`There is no terminal to type the ${names} at: standard input is none.`, otherwise);
  const typed = inputText(context);
  const lines: string[] = [];
  try {
    for (const question of questions) lines.push(await oneLine(context, typed, question));
    return lines;
  } finally {
    // Before the input is closed: a closed terminal keeps its mode.
    stdin.setRawMode(false);
    await typed.return();
  }
}

async function oneLine(
  { stdin, stderr }: CliContext,
  typed: AsyncIterator<string>,
  { what, isHidden }: TerminalQuestion,
): Promise<string> {
  // Before the question, so that a quick answer is not shown either.
  stdin.setRawMode?.(isHidden);
  stderr.write(`${what.charAt(0).toUpperCase()}${what.slice(1)}: `);
  const { keys, end } = await upToLineEnd(typed);
  if (isHidden) stderr.write('\n');
  if (end === interrupt) throw new Interruption();
  const line = edited(keys).trim();
  if (line !== '' && line.length <= longestLine) return line;
  throw new Failure(`No ${what} was typed.`, 'Run the command again, and type or paste it in one line.');
}

async function upToLineEnd(typed: AsyncIterator<string>): Promise<Keys> {
  const keys: string[] = [];
  for (let piece = await typed.next(); piece.done !== true; piece = await typed.next()) {
    for (const key of piece.value) {
      if (lineEnds.includes(key)) return { keys: keys.join(''), end: key };
      if (keys.length <= 2 * longestLine) keys.push(key);
    }
  }
  return { keys: keys.join(''), end: undefined };
}

/** The line as a terminal would have edited it: Backspace and Ctrl-U work, other special keys do nothing. */
function edited(keys: string): string {
  const [first = '', ...escaped] = keys.split(escapeKey);
  // ECMA-48 §5.4: control sequences, such as arrow keys send; SS3 and a letter for those and the function keys.
  const plain = first + escaped.map((text) => text.replace(/^(?:\[[0-?]*[ -/]*[@-~]|O[A-Z])/, '')).join('');
  let line: string[] = [];
  for (const key of plain) {
    if (key === '\b' || key === '\u007f') line.pop();
    else if (key === eraseLine) line = [];
    else if (!/\p{Cc}/u.test(key)) line.push(key);
  }
  return line.join('');
}
