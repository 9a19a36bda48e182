import { type BuiltInCloud, builtInClouds } from '@sallyport/config';
import { Argument, type Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { usualProfile } from '../cloud-profile.js';
import { optionsOf } from '../options.js';

/** Which of the identities of this device a command is about. */
export interface CloudChoice {
  /** Undefined for the device itself. `c8y` has its own settings; the other clouds use those of the device. */
  readonly cloud: BuiltInCloud | undefined;
  /** Profile of `c8y`, in lower case. */
  readonly profile?: string;
}

const choice = z.object({ cloud: z.enum(builtInClouds).optional(), profile: z.string().optional() });

/** The argument that names a cloud, last in the command line. */
export function cloudArgument(names: readonly BuiltInCloud[] = builtInClouds): Argument {
  return new Argument('[cloud]', 'cloud the certificate is for').choices(names);
}

/**
 * What the command line and `TEDGE_CLOUD_PROFILE` choose. A profile without the cloud it belongs to is a wrong call.
 *
 * @throws Failure: the variable holds no profile name
 */
export function chosenCloud(context: CliContext, command: Command): CloudChoice {
  const { cloud, profile: named } = choice.parse({ cloud: command.processedArgs[0], ...optionsOf(command, choice) });
  if (named !== undefined && cloud !== 'c8y')
    command.error('option --profile needs the cloud whose profile it is: c8y');
  const profile = cloud === 'c8y' ? (named ?? usualProfile(context)) : undefined;
  return { cloud, ...(profile === undefined ? {} : { profile }) };
}
