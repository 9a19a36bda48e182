import { connectorName, deviceState, foreignAuthority } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { schemaArgument, schemaArguments } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { durationArgument, globalOptions } from '../options.js';

const authority = z.union([z.literal('site'), foreignAuthority]);

/** Options of a command about some devices. */
export const filterOptions = globalOptions.extend({
  search: z.string().optional(),
  state: deviceState.optional(),
  tag: z.array(z.string()).optional(),
  ca: authority.optional(),
  connector: connectorName.optional(),
  seenWithin: z.number().optional(),
  unseenFor: z.number().optional(),
  expiresWithin: z.number().optional(),
});
export type FilterOptions = z.infer<typeof filterOptions>;

/** Adds the options that say which devices a command is about. */
export function withFilter(command: Command): Command {
  return command
    .option('--search <text>', 'only devices with this part of a name')
    .addOption(new Option('--state <state>', 'only devices in this state').choices(deviceState.options))
    .option('--tag <name[=value]>', 'only devices with this tag; can be repeated', repeated)
    .option('--ca <id>', 'only devices of this CA; "site" for those of this site', schemaArgument(authority))
    .option('--connector <name>', 'only devices of this connector', schemaArgument(connectorName))
    .option('--seen-within <duration>', 'only devices in contact since then, such as 24h', durationArgument)
    .option('--unseen-for <duration>', 'only devices without contact since then, such as 30d', durationArgument)
    .option('--expires-within <duration>', 'only devices whose certificate ends until then, or has', durationArgument);
}

/** The filter as the registry takes it. */
export function filterOf(given: FilterOptions, { now }: CliContext) {
  const { search, state, tag, ca, connector, seenWithin, unseenFor, expiresWithin } = given;
  const at = (seconds: number | undefined, direction: 1 | -1) =>
    seconds === undefined ? undefined : new Date(now().getTime() + direction * seconds * 1000).toISOString();
  return {
    search,
    state,
    tag,
    authority: ca,
    connector,
    seenSince: at(seenWithin, -1),
    unseenSince: at(unseenFor, -1),
    expiresBefore: at(expiresWithin, 1),
  };
}

/** Parser of an option that can be repeated. */
export const repeated = schemaArguments(z.string());
