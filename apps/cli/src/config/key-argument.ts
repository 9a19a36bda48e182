import { findKey, isProfiled, type KeyReference, nameOf, parseProfileName, similarKeys } from '@sallyport/config';
import { Argument, InvalidArgumentError } from 'commander';
import type { CliContext } from '../cli-context.js';
import { profileNameRule, usualProfile } from '../cloud-profile.js';
import { Failure } from '../failure.js';

/** How the command line names a setting: by its name, and by a profile if there is one. */
export interface KeyChoice {
  readonly key: string;
  readonly profile?: string | undefined;
}

/** The argument that names a setting; an unknown name is a wrong call. */
export function keyArgument(): Argument {
  return new Argument('<key>', 'name of the setting, such as http.bind.port').argParser(knownKey);
}

function knownKey(text: string): string {
  if (findKey(text) !== undefined) return text;
  const [, profile] = /^(?:c8y|az|aws)\.profiles\.(.*?)\./.exec(text) ?? [];
  if (profile !== undefined && parseProfileName(profile) === undefined) throw new InvalidArgumentError(profileNameRule);
  const similar = similarKeys(text).join(', ');
  throw new InvalidArgumentError(`There is no such setting.${similar === '' ? '' : ` Did you mean ${similar}?`}`);
}

/**
 * The setting a command is about. An old name works, with a warning.
 *
 * @throws Failure the key cannot be given per profile, or two profiles are named
 */
export function chosenKey(context: CliContext, choice: KeyChoice): KeyReference {
  const named = findKey(choice.key);
  if (named === undefined) throw new Failure(`There is no setting ${choice.key}.`, 'List them all: config list --all');
  const { key, deprecatedName } = named;
  if (deprecatedName !== undefined) context.log.warn(`${deprecatedName} is deprecated, use ${nameOf(named)}`);
  if (named.profile !== undefined && choice.profile !== undefined && named.profile !== choice.profile) {
    throw new Failure(`${choice.key} is a key of profile ${named.profile} already.`, 'Leave --profile out.');
  }
  const profile = named.profile ?? choice.profile ?? (isProfiled(key) ? usualProfile(context) : undefined);
  if (profile === undefined) return { key };
  if (isProfiled(key)) return { key, profile };
  throw new Failure(`${key} is the same in every profile.`, 'Leave --profile out.');
}
