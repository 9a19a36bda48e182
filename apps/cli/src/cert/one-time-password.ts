import { randomInt } from 'node:crypto';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';
import { readHiddenLine } from '../hidden-line.js';

export interface PasswordOptions {
  readonly oneTimePassword?: string | undefined;
  /** A file, or `-` for standard input. */
  readonly oneTimePasswordFile?: string | undefined;
  /** Ask for it on the terminal. */
  readonly prompt: boolean;
}

const pipeIt = 'Pipe it in (--one-time-password-file -), or name a file (--one-time-password-file FILE).';

const alphanumerics = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The one-time password in the environment; undefined when there is none. */
export function passwordInEnvironment({ env }: CliContext): string | undefined {
  const { DEVICE_ONE_TIME_PASSWORD: password } = env;
  return password?.trim() || undefined;
}

/**
 * The one-time password as the user chose to give it: argument, prompt, file, standard input or environment
 * (`DEVICE_ONE_TIME_PASSWORD`); undefined when nowhere. All but the first keep it out of the process list.
 *
 * @throws Failure: given twice, or empty, or the file cannot serve, or there is no terminal to ask at
 */
export async function givenPassword(context: CliContext, given: PasswordOptions): Promise<string | undefined> {
  const { oneTimePassword, oneTimePasswordFile, prompt } = given;
  if (prompt) return readHiddenLine(context, { what: 'one-time password', otherwise: pipeIt });
  if (oneTimePassword !== undefined && oneTimePasswordFile !== undefined)
    throw new Failure(
      'The one-time password is given twice.',
      'Use --one-time-password or --one-time-password-file, not both.',
    );
  if (oneTimePassword?.trim() === '')
    throw new Failure('The one-time password is empty.', 'Check what --one-time-password was given.');
  if (oneTimePassword !== undefined) return oneTimePassword.trim();
  if (oneTimePasswordFile !== undefined) return readFirstLine(context, oneTimePasswordFile, 'one-time password');
  return passwordInEnvironment(context);
}

/** 32 random letters and digits, for clouds where the device chooses its password and the user registers it. */
export function newPassword(): string {
  return Array.from({ length: 32 }, () => alphanumerics[randomInt(alphanumerics.length)]).join('');
}
