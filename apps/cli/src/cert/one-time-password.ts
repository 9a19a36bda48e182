import { randomInt } from 'node:crypto';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';

export interface PasswordOptions {
  readonly oneTimePassword?: string | undefined;
  /** A file, or `-` for standard input. */
  readonly oneTimePasswordFile?: string | undefined;
}

const alphanumerics = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * The one-time password as the user chose to give it: argument, file, standard input or environment
 * (`DEVICE_ONE_TIME_PASSWORD`); undefined when nowhere. The last three keep it out of the process list.
 *
 * @throws Failure: given twice, or the file cannot serve
 */
export async function givenPassword(context: CliContext, given: PasswordOptions): Promise<string | undefined> {
  const { oneTimePassword, oneTimePasswordFile } = given;
  if (oneTimePassword !== undefined && oneTimePasswordFile !== undefined)
    throw new Failure(
      'The one-time password is given twice.',
      'Use --one-time-password or --one-time-password-file, not both.',
    );
  if (oneTimePassword !== undefined) return oneTimePassword.trim();
  if (oneTimePasswordFile !== undefined) return readFirstLine(context, oneTimePasswordFile, 'one-time password');
  const { DEVICE_ONE_TIME_PASSWORD: inEnvironment } = context.env;
  return inEnvironment?.trim() || undefined;
}

/** 32 random letters and digits, for clouds where the device makes up its password and the user registers it. */
export function newPassword(): string {
  return Array.from({ length: 32 }, () => alphanumerics[randomInt(alphanumerics.length)]).join('');
}
