import { readFile, stat } from 'node:fs/promises';
import { type AuthorityImport, authorityPurpose, signerRoutes } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, durationArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { readPassphrase } from './passphrase.js';
import { successionOptions } from './rotate.js';
import { hierarchyLines } from './show.js';

const options = globalOptions.extend({
  purpose: authorityPurpose,
  passphraseFile: z.string().optional(),
  overlap: z.number().optional(),
  atOnce: z.boolean().default(false),
});

// In base64, this is the most that the admin API takes.
const largestBundleBytes = 180_000;

/** `ca import`: an existing CA, key and chain, takes over a purpose. */
export function importCommand(context: CliContext, parent: Command): void {
  parent
    .command('import')
    .description('let an existing CA sign: PEM with its key (PKCS#8, plain or encrypted), or PKCS#12')
    .argument('<file>', 'the bundle: key, certificate and its chain')
    .addOption(
      new Option('--purpose <purpose>', 'what the CA is for').choices(authorityPurpose.options).makeOptionMandatory(),
    )
    .option('--passphrase-file <file>', 'first line: the passphrase of the key, or "-" for stdin')
    .option(
      '--overlap <duration>',
      'publish a new root for this long before CAs below it sign (default: one life of a certificate)',
      durationArgument,
    )
    .option('--at-once', 'the key of the old root was stolen: believe nothing any more that it vouched for')
    .action(async (file: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const signer = await adminClientFor('pki-signer', await openSettings(context, given), {
        context,
        options: given,
      });
      const succession = importOptions(given);
      const body: AuthorityImport = {
        purpose: given.purpose,
        ...succession,
        bundle: (await readBundle(absolutePath(context, file))).toString('base64'),
        ...(given.passphraseFile === undefined
          ? {}
          : { passphrase: await readPassphrase(context, given.passphraseFile) }),
      };
      const hierarchy = await signer.call(signerRoutes.importAuthority, { body });
      if (given.json) writeJson(context, hierarchy);
      else writeLines(context, hierarchyLines(hierarchy));
    });
}

function importOptions(given: z.infer<typeof options>) {
  if (given.overlap !== undefined && given.purpose !== 'root')
    throw new Failure('--overlap is for a root.', 'Leave it out: an imported issuing CA signs at once.');
  return successionOptions(given);
}

async function readBundle(path: string): Promise<Buffer> {
  const facts = await stat(path);
  if (facts.isDirectory()) throw new Failure(`${path} is a directory.`, 'Give the path of the bundle.');
  // Check the size before reading. A pipe has no size, so check again after reading.
  requireBundleSize(path, facts.size || 1);
  const bundle = await readFile(path);
  requireBundleSize(path, bundle.length);
  return bundle;
}

function requireBundleSize(path: string, bytes: number): void {
  if (bytes > 0 && bytes <= largestBundleBytes) return;
  throw new Failure(
    `${path} has ${bytes} bytes, a CA bundle has 1 to ${largestBundleBytes}.`,
    'Give the file with the key, the certificate and its chain only.',
  );
}
