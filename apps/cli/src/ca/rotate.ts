import { rotationRequest, signerRoutes } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { durationArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines } from '../output.js';
import { hierarchyLines } from './show.js';

const options = globalOptions.extend({
  purpose: z.enum(['device', 'service']).default('device'),
  overlap: z.number().default(0),
});

/** `ca rotate`: a new issuing CA under the same root; certificates issued earlier stay good. */
export function rotateCommand(context: CliContext, parent: Command): void {
  parent
    .command('rotate')
    .description('make a new issuing CA; certificates issued earlier stay valid')
    .addOption(
      new Option('--purpose <purpose>', 'which CA to replace').choices(['device', 'service']).default('device'),
    )
    .option('--overlap <duration>', 'publish the new CA for this long before it signs', durationArgument, 0)
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const signer = await adminClientFor('pki-signer', await openSettings(context, given), {
        context,
        options: given,
      });
      const body = validRequest(rotationRequest, { purpose: given.purpose, overlapSeconds: given.overlap });
      const hierarchy = await new Progress(context.stderr).during('Rotating', () =>
        signer.call(signerRoutes.rotateAuthority, { body }),
      );
      if (given.json) writeJson(context, hierarchy);
      else writeLines(context, hierarchyLines(hierarchy));
    });
}
