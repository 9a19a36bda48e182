import { cloudProfileIn, parseProfileName } from '@sallyport/config';
import { InvalidArgumentError, Option } from 'commander';
import type { CliContext } from './cli-context.js';
import { Failure } from './failure.js';

/** What a profile name is, for errors. */
export const profileNameRule =
  'A profile name has letters, digits, - and _, at least one letter or digit, and no more than 64.';

/** The option that names a profile of the cloud. */
export function profileOption(): Option {
  return new Option('--profile <name>', 'profile of the cloud (default: $TEDGE_CLOUD_PROFILE)').argParser(profileName);
}

function profileName(text: string): string {
  const name = parseProfileName(text);
  if (name !== undefined) return name;
  throw new InvalidArgumentError(profileNameRule);
}

/**
 * The profile to use where the command line names none: that of `TEDGE_CLOUD_PROFILE`.
 *
 * @throws Failure: the variable holds no profile name
 */
export function usualProfile({ env }: CliContext): string | undefined {
  const text = cloudProfileIn(env);
  if (text === undefined) return undefined;
  const name = parseProfileName(text);
  if (name !== undefined) return name;
  throw new Failure(`TEDGE_CLOUD_PROFILE is "${text}", which is no profile name.`, profileNameRule);
}
