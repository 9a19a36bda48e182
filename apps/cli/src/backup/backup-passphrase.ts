import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';
import { askAtTerminal } from '../hidden-line.js';

/** Holds the passphrase of a backup, for programs. */
export const passphraseVariable = 'SALLYPORT_BACKUP_PASSPHRASE';

const shortestPassphrase = 10;
const what = 'passphrase of the backup';
const otherwise = `Name a file that holds it: --passphrase-file FILE, or set ${passphraseVariable}.`;

/**
 * The passphrase for a new backup: from a file, from the environment, or typed twice.
 *
 * @throws Failure: there is none, it is too short, or it was typed in two ways
 */
export async function newPassphrase(context: CliContext, file: string | undefined): Promise<string> {
  const passphrase = (await givenPassphrase(context, file)) ?? (await typedTwice(context));
  if (passphrase.length >= shortestPassphrase) return passphrase;
  throw new Failure(
    `The passphrase has ${passphrase.length} characters, and a backup holds every key of the site.`,
    `Use at least ${shortestPassphrase} characters; several words are easy to write down.`,
  );
}

/** The passphrase of a backup that there is. */
export async function knownPassphrase(context: CliContext, file: string | undefined): Promise<string> {
  const given = await givenPassphrase(context, file);
  if (given !== undefined) return given;
  const [typed = ''] = await askAtTerminal(context, [{ what, isHidden: true }], otherwise);
  return typed;
}

async function givenPassphrase(context: CliContext, file: string | undefined): Promise<string | undefined> {
  if (file !== undefined) return readFirstLine(context, file, what);
  const fromEnvironment = context.env[passphraseVariable];
  return fromEnvironment === '' ? undefined : fromEnvironment;
}

async function typedTwice(context: CliContext): Promise<string> {
  const questions = [
    { what, isHidden: true },
    { what: 'same passphrase again', isHidden: true, isRepeated: true },
  ] as const;
  const [first, second] = await askAtTerminal(context, questions, otherwise);
  if (first !== undefined && first === second) return first;
  throw new Failure('The two passphrases differ.', 'Run the command again.');
}
