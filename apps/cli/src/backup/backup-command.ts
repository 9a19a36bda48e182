import { type Lock, makeBackup } from '@sallyport/backup';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import manifest from '../../package.json' with { type: 'json' };
import type { CliContext } from '../cli-context.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { Progress, writeJson, writeLines, writeWarnings } from '../output.js';
import { newPassphrase } from './backup-passphrase.js';

const options = globalOptions.extend({
  passphraseFile: z.string().optional(),
  recipient: z.array(z.string()).default([]),
  withFiles: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/** `backup`: one encrypted file with everything of a site, while it runs. */
export function backupCommand(context: CliContext, program: Command): void {
  program
    .command('backup')
    .description('write keys, store and settings of this site into one encrypted file, while it runs')
    .argument('<file>', 'file to write; one that is there is replaced')
    .option('--passphrase-file <file>', 'first line: the passphrase that opens the backup, or "-" for stdin')
    .option('--recipient <key>', 'a public key of age (age1…) instead of a passphrase; may be repeated', recipients)
    .option('--with-files', 'also what devices have stored: transferred files, content of the connector')
    .action(async (file: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const settings = await openSettings(context, given);
      const lock = await lockOf(context, given);
      const path = absolutePath(context, file);
      const { withFiles } = given;
      const report = await new Progress(context.stderr).during('Writing the backup', () =>
        makeBackup({ settings, path, lock, withFiles, now: context.now(), version: manifest.version }),
      );
      writeWarnings(context, report.outside.map(outsideWarning));
      const { outside, ...counts } = report;
      if (given.json) writeJson(context, { file: path, ...counts, outside });
      else
        writeLines(context, [
          `Written to ${path}: ${counts.files} files and ${counts.storeRecords} records of the store, ${counts.bytes} bytes.`,
          `Keep it away from this machine. Try now and then whether it opens: ${context.programName} restore --check ${file}`,
        ]);
    });
}

async function lockOf(context: CliContext, { recipient, passphraseFile }: Options): Promise<Lock> {
  if (recipient.length > 0) return { recipients: recipient };
  return { passphrase: await newPassphrase(context, passphraseFile) };
}

function recipients(key: string, earlier: readonly string[] | undefined): string[] {
  if (!/^age1[a-z0-9]{20,}$/.test(key))
    throw new InvalidArgumentError('It is a public key as age-keygen prints it: age1… in small letters.');
  return [...(earlier ?? []), key];
}

function outsideWarning(setting: string): string {
  return `not in the backup, because it is in none of the folders of the site: ${setting}`;
}
