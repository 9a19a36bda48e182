import { type HierarchyDescription, type RootSuccession, signerRoutes } from '@sallyport/protocol';
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
export function hierarchyLines(hierarchy: HierarchyDescription): string[] {
  const { caFingerprint, trustBundleVersion, authorities, rootSuccession } = hierarchy;
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
    ...(rootSuccession === undefined ? [] : successionLines(rootSuccession)),
  ];
}

/** Who knows the new root, and who does not yet. */
function successionLines(succession: RootSuccession): string[] {
  const { root, publishedAt, activatesAt, followed, notFollowed, notFollowedNames } = succession;
  const signs = activatesAt === undefined ? 'CAs below it sign' : `CAs below it sign from ${activatesAt}`;
  const more = notFollowed - notFollowedNames.length;
  return [
    '',
    `The root changes: ${root} is published since ${publishedAt}, ${signs}.`,
    `${followed} of ${followed + notFollowed} have renewed since, and so know it.`,
    ...(notFollowed === 0 ? [] : ['Not followed yet:', ...notFollowedNames.map((name) => `  ${name}`)]),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}
