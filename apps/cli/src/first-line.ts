import { readTextIfPresent } from '@sallyport/files';
import type { CliContext } from './cli-context.js';
import { Failure } from './failure.js';
import { inputText } from './input-text.js';
import { absolutePath } from './options.js';

const longestLine = 1_024;

/**
 * The first line of a file, or of standard input for `-`, without blanks around it: for secrets, which must not be
 * arguments (everybody on the machine can read those).
 *
 * @param what the secret in words, for the error: `one-time password`
 * @throws Failure: no such file, or nothing in its first line
 */
export async function readFirstLine(context: CliContext, file: string, what: string): Promise<string> {
  const text = file === '-' ? await readInput(context) : await readFileText(absolutePath(context, file), what);
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  if (line === '' || line.length > longestLine)
    throw new Failure(
      `The first line of ${file === '-' ? 'standard input' : file} holds no ${what}.`,
      `Write the ${what} there, in one line.`,
    );
  return line;
}

async function readFileText(path: string, what: string): Promise<string> {
  const text = await readTextIfPresent(path, { mayBePipe: true });
  if (text === undefined)
    throw new Failure(`There is no file ${path}.`, `Check the path of the file with the ${what}.`);
  return text;
}

async function readInput(context: CliContext): Promise<string> {
  let text = '';
  for await (const piece of inputText(context)) {
    text += piece;
    if (text.length > longestLine || text.includes('\n')) break;
  }
  return text;
}
