import { connectorRoutes, type IdentityFormat, identityFormat } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { none, orNull, removableArgument, removableNumberArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { aboutConnector, connectorOptions, openConnector } from './connector-call.js';
import { editDraft } from './draft.js';
import { changeSettings } from './provisioning.js';

const { type, casing, prefix, length } = identityFormat.shape;
const identityOptions = connectorOptions.extend({
  type: type.optional(),
  prefix: z.string().optional(),
  length: z.union([z.number(), z.literal(none)]).optional(),
  casing: casing.optional(),
});

/** `connector identity`: how names of devices are written. */
export function identityCommand(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('identity'))
    .description('how identities of devices are written (draft)')
    .addOption(new Option('--type <type>', 'what follows the prefix').choices(type.options))
    .option('--prefix <text>', 'what every identity begins with, or none', removableArgument(prefix.unwrap()))
    .option('--length <characters>', 'characters after the prefix, or none', removableNumberArgument(length.unwrap()))
    .addOption(new Option('--casing <casing>', 'change letters to one case, or keep them').choices(casing.options))
    .action(async (_options: unknown, command: Command) => {
      const call = await openConnector(context, command, identityOptions);
      const { given, registry, params } = call;
      if ([given.type, given.prefix, given.length, given.casing].every((value) => value === undefined))
        throw new Failure(
          'Nothing was said that could be changed.',
          'Name an option: --type, --prefix, --length or --casing.',
        );
      await editDraft(call, ({ etag, document }) => {
        const body = { identity: changedFormat(document.settings.identity, given) };
        return registry.call(connectorRoutes.changeDraft, { params, ifMatch: etag, body });
      });
    });
}

function changedFormat(present: IdentityFormat, given: z.infer<typeof identityOptions>): IdentityFormat {
  const wanted = { prefix: given.prefix ?? present.prefix, length: given.length ?? present.length };
  return {
    type: given.type ?? present.type,
    casing: given.casing ?? present.casing,
    ...(wanted.prefix === undefined || wanted.prefix === none ? {} : { prefix: wanted.prefix }),
    ...(wanted.length === undefined || wanted.length === none ? {} : { length: wanted.length }),
  };
}

const quotaOptions = connectorOptions.extend({
  devices: z.union([z.number(), z.literal(none)]).optional(),
  newPerMinute: z.union([z.number(), z.literal(none)]).optional(),
});

/** `connector quota`: how many devices there may be. */
export function quotaCommand(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('quota'))
    .description('how many devices there may be, and how many new ones in a minute (draft)')
    .option('--devices <count>', 'most devices, or none for no limit', removableNumberArgument(z.number()))
    .option('--new-per-minute <count>', 'most new devices in a minute, or none', removableNumberArgument(z.number()))
    .action(async (_options: unknown, command: Command) => {
      const call = await openConnector(context, command, quotaOptions);
      const { devices, newPerMinute } = call.given;
      const quota = {
        ...(devices === undefined ? {} : { devices: orNull(devices) }),
        ...(newPerMinute === undefined ? {} : { newPerMinute: orNull(newPerMinute) }),
      };
      await changeSettings(call, Object.keys(quota).length === 0 ? {} : { quota }, 'quota');
    });
}
