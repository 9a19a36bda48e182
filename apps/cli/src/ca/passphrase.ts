import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';

/** @throws Failure: no file was named, or it holds no passphrase */
export async function readPassphrase(context: CliContext, file: string | undefined): Promise<string> {
  if (file === undefined)
    throw new Failure(
      'No passphrase is given.',
      'Name the file that holds it: --passphrase-file FILE, or "-" for standard input.',
    );
  return readFirstLine(context, file, 'passphrase');
}
