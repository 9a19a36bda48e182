import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeCertificateSummary } from './certificate-summary.js';
import { chosenCloud, cloudArgument } from './cloud-choice.js';
import { deviceFiles, readLeaf, waitingPath } from './device-files.js';

const options = globalOptions.extend({ certPath: z.string().optional(), new: z.boolean().default(false) });

/** `cert show`: what a certificate says, and how long it lasts. */
export function showCommand(context: CliContext, parent: Command): void {
  parent
    .command('show')
    .description('print the certificate of this device')
    .option('--cert-path <file>', 'certificate to print (default: setting device.cert_path)')
    .option('--new', 'print the renewed certificate that is not in force yet')
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const given = optionsOf(command, options);
      const choice = chosenCloud(context, command);
      const settings = await openSettings(context, given, choice);
      const files = deviceFiles(settings, choice);
      const present = given.certPath === undefined ? files.certPath : absolutePath(context, given.certPath);
      const path = given.new ? waitingPath(present) : present;
      const certificate = await readLeaf(path, given);
      writeCertificateSummary(context, { path, certificate }, { json: given.json, settings });
    });
}
