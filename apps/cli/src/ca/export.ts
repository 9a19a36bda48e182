import type { AdminClient } from '@sallyport/admin-client';
import { type AuthorityExport, signerRoutes } from '@sallyport/protocol';
import { Argument, type Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { writeOutputFile } from '../output-file.js';
import { readPassphrase } from './passphrase.js';

const options = globalOptions.extend({
  output: z.string().optional(),
  withKey: z.boolean().default(false),
  passphraseFile: z.string().optional(),
});
type Options = z.infer<typeof options>;

/** `ca export`: the roots to trust, one CA with its chain, or with `--with-key` one CA with its key, encrypted. */
export function exportCommand(context: CliContext, parent: Command): void {
  parent
    .command('export')
    .description('write the root certificates of this site, or one CA (its key too with --with-key)')
    .addArgument(new Argument('[ca]', 'id of a CA, as "ca show" prints it (default: all roots)'))
    .option('-o, --output <file>', 'file to write (default: standard output)')
    .option('--with-key', 'export the private key too, as PKCS#12 encrypted with a passphrase')
    .option('--passphrase-file <file>', 'first line: the passphrase for the key, or "-" for stdin')
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const signer = await adminClientFor('pki-signer', await openSettings(context, given), {
        context,
        options: given,
      });
      const exported = given.withKey ? await withKey(context, signer, { id, given }) : await certificates(signer, id);
      await deliver(context, exported, given);
    });
}

interface Exported {
  readonly content: string | Buffer;
  /** 0600 where a key is inside, encrypted or not. */
  readonly mode: number;
}

async function certificates(signer: AdminClient, id: string | undefined): Promise<Exported> {
  if (id === undefined) {
    const { roots } = await signer.call(signerRoutes.showTrustBundle);
    return { content: roots.map(ended).join(''), mode: 0o644 };
  }
  const exported = await signer.call(signerRoutes.exportAuthority, { body: { id } });
  return { content: ended(exported.certificates), mode: 0o644 };
}

function ended(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}

async function withKey(
  context: CliContext,
  signer: AdminClient,
  { id, given }: { id: string | undefined; given: Options },
): Promise<Exported> {
  if (id === undefined)
    throw new Failure(
      'Which CA to export with its key was not said.',
      'Name it: sallyport ca export CA --with-key (sallyport ca show lists them).',
    );
  if (given.output === undefined)
    throw new Failure('A private key is not written to standard output.', 'Name a file: --output FILE.p12');
  const body: AuthorityExport = { id, passphrase: await readPassphrase(context, given.passphraseFile) };
  const { pkcs12 } = await signer.call(signerRoutes.exportAuthority, { body });
  if (pkcs12 === undefined)
    throw new Failure(`The signer does not hold the key of ${id}.`, 'Leave --with-key out to export its certificate.');
  return { content: Buffer.from(pkcs12, 'base64'), mode: 0o600 };
}

async function deliver(context: CliContext, { content, mode }: Exported, { output, json }: Options): Promise<void> {
  if (output === undefined) {
    if (json) writeJson(context, { certificates: content.toString() });
    else context.stdout.write(content.toString());
    return;
  }
  const path = absolutePath(context, output);
  await writeOutputFile(path, content, mode);
  if (json) writeJson(context, { output: path });
  else writeLines(context, [`Written to ${path}`]);
}
