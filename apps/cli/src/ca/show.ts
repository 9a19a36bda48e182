import { type HierarchyDescription, signerRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';

/** `ca show`: the CAs, what they are for and until when. */
export function showCommand(context: CliContext, parent: Command): void {
  parent
    .command('show')
    .description('show the CAs of this site and the fingerprint of its root')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const signer = await adminClientFor('pki-signer', await openSettings(context, given), {
        context,
        options: given,
      });
      const hierarchy = await signer.call(signerRoutes.showHierarchy);
      if (given.json) writeJson(context, hierarchy);
      else writeLines(context, hierarchyLines(hierarchy));
    });
}

/** The CAs for people. */
export function hierarchyLines({ caFingerprint, trustBundleVersion, authorities }: HierarchyDescription): string[] {
  return [
    ...labelledLines([
      ['Root (SHA-256)', caFingerprint],
      ['Trust bundle', `version ${trustBundleVersion}`],
    ]),
    '',
    ...tableLines(
      ['CA', 'FOR', 'STATE', 'UNTIL', 'KEY HERE', 'SUBJECT'],
      authorities.map(({ id, purpose, state, activatesAt, notAfter, hasKey, subject }) => [
        id,
        purpose,
        activatesAt === undefined ? state : `${state}, signs from ${activatesAt}`,
        notAfter,
        hasKey ? 'yes' : 'no',
        subject,
      ]),
    ),
  ];
}
