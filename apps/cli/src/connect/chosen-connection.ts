import { parseCloudName } from '@sallyport/cloud';
import { parseProfileName } from '@sallyport/config';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { usualProfile } from '../cloud-profile.js';
import { optionsOf } from '../options.js';

const choice = z.object({ profile: z.string().optional() });

/**
 * The name of the connection that the command line chooses: `c8y`, `c8y@plant2` or that of a user-defined mapper. The
 * profile may be written in the name, or is that of `--profile` or `TEDGE_CLOUD_PROFILE`.
 *
 * @throws Problem `invalid-request`: it is no such name
 * @throws Failure: the variable holds no profile name
 */
export function chosenConnection(context: CliContext, command: Command): string {
  const given = parseCloudName(z.string().parse(command.processedArgs[0]));
  const { profile: named } = optionsOf(command, choice);
  const isBuiltIn = given.kind !== 'custom';
  if (named !== undefined && !isBuiltIn)
    command.error('option --profile needs the cloud whose profile it is: c8y, az or aws');
  if (given.profile !== undefined && named !== undefined && parseProfileName(named) !== given.profile)
    command.error(`option --profile ${named} contradicts "${given.name}"`);
  if (given.profile !== undefined || !isBuiltIn) return given.name;
  const profile = named ?? usualProfile(context);
  return profile === undefined ? given.name : `${given.name}@${profile}`;
}

/** A connection as commands take it: `c8y`, `--profile`, `plant2`. */
export function commandWordsOf(name: string): string[] {
  const { kind, profile } = parseCloudName(name);
  if (kind === 'custom') return [name];
  return profile === undefined ? [kind] : [kind, '--profile', profile];
}

/** The same as one text: `c8y --profile plant2`. */
export function commandLineOf(name: string): string {
  return commandWordsOf(name).join(' ');
}
