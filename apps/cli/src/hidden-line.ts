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
export async function readHiddenLine(context: CliContext, question: HiddenQuestion): Promise<string> {
  const { what } = question;
  const { keys, end } = await readKeys(context, question);
  if (end === interrupt) throw new Interruption();
  const line = edited(keys).trim();
  if (line !== '' && line.length <= longestLine) return line;
  throw new Failure(`No ${what} was typed.`, 'Run the command again, and type or paste it in one line.');
}

interface Keys {
  readonly keys: string;
  /** The key that ended the line; undefined when the terminal went away. */
  readonly end: string | undefined;
}

async function readKeys(context: CliContext, { what, otherwise }: HiddenQuestion): Promise<Keys> {
  const { stdin, stderr } = context;
  if (stdin.isTTY !== true || stdin.setRawMode === undefined)
    throw new Failure(`There is no terminal to type the ${what} at: standard input is none.`, otherwise);
  const typed = inputText(context);
  // Before the question, so that a quick answer is not shown either.
  stdin.setRawMode(true);
  try {
    stderr.write(`${what.charAt(0).toUpperCase()}${what.slice(1)}: `);
    return await upToLineEnd(typed);
  } finally {
    // Before the input is closed: a closed terminal keeps its mode.
    stdin.setRawMode(false);
    stderr.write('\n');
    await typed.return();
  }
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
