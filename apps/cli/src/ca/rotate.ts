import { authorityPurpose, rotationRequest, signerRoutes } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { durationArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines } from '../output.js';
import { hierarchyLines } from './show.js';

const options = globalOptions.extend({
  purpose: authorityPurpose.default('device'),
  overlap: z.number().optional(),
  atOnce: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/** `ca rotate`: a new issuing CA under the same root, or a new root; certificates issued earlier stay good. */
export function rotateCommand(context: CliContext, parent: Command): void {
  parent
    .command('rotate')
    .description('make a new issuing CA, or with --purpose root a new root; certificates issued earlier stay valid')
    .addOption(
      new Option('--purpose <purpose>', 'which CA to replace').choices(authorityPurpose.options).default('device'),
    )
    .option(
      '--overlap <duration>',
      'publish the new CA for this long before it signs (default: 0s; for a root: one life of a certificate)',
      durationArgument,
    )
    .option('--at-once', 'the key of the old root was stolen: believe nothing any more that it vouched for')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const signer = await adminClientFor('pki-signer', await openSettings(context, given), {
        context,
        options: given,
      });
      const body = validRequest(rotationRequest, { purpose: given.purpose, ...successionOptions(given) });
      const hierarchy = await new Progress(context.stderr).during('Rotating', () =>
        signer.call(signerRoutes.rotateAuthority, { body }),
      );
      if (given.json) writeJson(context, hierarchy);
      else writeLines(context, hierarchyLines(hierarchy));
    });
}

/** The options of a change of the root, as the admin API takes them. */
export function successionOptions({ purpose, overlap, atOnce }: Pick<Options, 'purpose' | 'overlap' | 'atOnce'>) {
  if (atOnce && purpose !== 'root')
    throw new Failure('--at-once is for a root.', 'Leave it out: an issuing CA takes over at once without it.');
  if (atOnce && overlap !== undefined)
    throw new Failure('--at-once leaves no overlap.', 'Give --at-once or --overlap, not both.');
  return { ...(overlap === undefined ? {} : { overlapSeconds: overlap }), ...(atOnce ? { atOnce } : {}) };
}
