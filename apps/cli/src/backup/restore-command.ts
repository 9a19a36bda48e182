import { checkBackup, type Key, type Manifest, type RestoreReport, restoreBackup } from '@sallyport/backup';
import { loadSettings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';
import { absolutePath, globalOptions, optionsOf, settingsSource } from '../options.js';
import { labelledLines, Progress, writeJson, writeLines, writeWarnings } from '../output.js';
import { requireStopped } from '../site/require-stopped.js';
import { openSite } from '../site/site.js';
import { knownPassphrase } from './backup-passphrase.js';
import { readRevocationList } from './revocation-list.js';

const options = globalOptions.extend({
  passphraseFile: z.string().optional(),
  identityFile: z.string().optional(),
  crl: z.array(z.string()).default([]),
  keepSettings: z.boolean().default(false),
  check: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/** `restore`: brings a site back from a backup, while the services are stopped. */
export function restoreCommand(context: CliContext, program: Command): void {
  program
    .command('restore')
    .description('bring this site back from a backup; what is there is moved aside, and refused devices stay refused')
    .argument('<file>', 'a file of "backup"')
    .option('--passphrase-file <file>', 'first line: the passphrase of the backup, or "-" for stdin')
    .option('--identity-file <file>', 'a file of age-keygen, for a backup made with --recipient')
    .option('--crl <file>', 'a published CRL: what it revokes stays revoked; may be repeated', repeated)
    .option('--keep-settings', 'keep the settings of this machine')
    .option('--check', 'read the whole backup, say what it is, and change nothing')
    .action(async (file: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const path = absolutePath(context, file);
      if (given.check) showManifest(context, await checked(context, path, given), given);
      else showReport(context, await restored(context, path, given), given);
    });
}

async function checked(context: CliContext, path: string, given: Options): Promise<Manifest> {
  const key = await keyOf(context, given);
  return new Progress(context.stderr).during('Reading the backup', () => checkBackup(path, key));
}

async function restored(context: CliContext, path: string, given: Options): Promise<RestoreReport> {
  const site = await openSite(context, given);
  await requireStopped(site);
  const revocationLists = given.crl.map((each) => absolutePath(context, each));
  for (const list of revocationLists) await readRevocationList(list);
  const key = await keyOf(context, given);
  const source = settingsSource(context, given);
  return new Progress(context.stderr).during('Restoring the backup', () =>
    restoreBackup({
      path,
      key,
      settings: site.settings,
      settingsIn: async (configDir) => (await loadSettings({ ...source, configDir })).settings,
      keepSettings: given.keepSettings,
      revocationLists,
      now: context.now(),
    }),
  );
}

async function keyOf(context: CliContext, { identityFile, passphraseFile }: Options): Promise<Key> {
  if (identityFile === undefined) return { passphrase: await knownPassphrase(context, passphraseFile) };
  const identity = await identityIn(context, identityFile);
  return { identity };
}

/** age-keygen writes comments before the key. */
async function identityIn(context: CliContext, file: string): Promise<string> {
  const text =
    file === '-' ? await readFirstLine(context, file, 'key') : await readTextIfPresent(absolutePath(context, file));
  const line = text?.split('\n').find((each) => each.startsWith('AGE-SECRET-KEY-'));
  if (line !== undefined) return line.trim();
  throw new Failure(`${file} holds no key of age.`, 'Name the file that age-keygen has written.');
}

function showManifest(context: CliContext, manifest: Manifest, { json }: Options): void {
  if (json) writeJson(context, manifest);
  else
    writeLines(context, [
      ...labelledLines([
        ['Site', manifest.siteId],
        ['Made', `${manifest.createdAt} on ${manifest.host}`],
        ['Version', manifest.version],
        ['Store', manifest.store],
        ['Files of devices', manifest.hasFiles ? 'yes' : 'no'],
      ]),
      'The backup is complete and can be read.',
    ]);
}

function showReport(context: CliContext, report: RestoreReport, { json }: Options): void {
  const { manifest, files, storeRecords, aside } = report;
  writeWarnings(
    context,
    manifest.outside.map((each) => `was not in the backup, so look whether it is there: ${each}`),
  );
  if (json) {
    writeJson(context, { siteId: manifest.siteId, createdAt: manifest.createdAt, files, storeRecords, aside });
    return;
  }
  const { programName } = context;
  writeLines(context, [
    `Site ${manifest.siteId} is as it was at ${manifest.createdAt}: ${files} files and ${storeRecords} records of the store.`,
    ...(aside.length === 0 ? [] : ['What was here before is beside it:', ...aside.map((path) => `  ${path}`)]),
    `Now start the services. Then: ${programName} doctor`,
  ]);
}

function repeated(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
