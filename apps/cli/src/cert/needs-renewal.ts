import { isNextQuestionTooLate, needsRenewal } from '@sallyport/identity';
import { describeCertificate } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { describeFault, ExitStatus } from '../failure.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeNotes } from '../output.js';
import { writeReport } from '../report.js';
import { minimumSecondsFor, statusText } from './certificate-summary.js';
import { chosenCloud, cloudArgument } from './cloud-choice.js';
import { deviceFiles, readLeaf } from './device-files.js';

const options = globalOptions.extend({ certPath: z.string().optional() });

/** `cert needs-renewal`: exit code 0 = renew it, 1 = it is fine, 2 = cannot tell; for timers and scripts. */
export function needsRenewalCommand(context: CliContext, parent: Command): void {
  parent
    .command('needs-renewal')
    .description('tell by exit code whether the certificate should be renewed: 0 yes, 1 no, 2 error')
    .option('--cert-path <file>', 'certificate to judge (default: setting device.cert_path)')
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const isDue = await isRenewalDue(context, command).catch((fault: unknown) => {
        const report = describeFault(fault);
        if (report === undefined) throw fault;
        writeReport(context, report, optionsOf(command, options).json);
        throw new ExitStatus(2);
      });
      if (!isDue) throw new ExitStatus(1);
    });
}

async function isRenewalDue(context: CliContext, command: Command): Promise<boolean> {
  const given = optionsOf(command, options);
  const choice = chosenCloud(context, command);
  const settings = await openSettings(context, given, choice);
  const { certPath } = deviceFiles(settings, choice);
  const path = given.certPath === undefined ? certPath : absolutePath(context, given.certPath);
  const leaf = await readLeaf(path, given);
  const minimumSeconds = minimumSecondsFor(leaf, settings);
  const isTooLate = await isNextQuestionTooLate(path, leaf, context.now());
  const isDue = isTooLate || needsRenewal(leaf, context.now(), minimumSeconds);
  const description = describeCertificate(leaf, context.now(), minimumSeconds);
  // On stderr and with the width of "cert show", as thin-edge.io does it: the answer is the exit code.
  writeNotes(context, [`Status:        ${statusText(description)}`], given.json);
  const { status, statusSeconds, validUntil } = description;
  if (given.json) writeJson(context, { certificate: path, needsRenewal: isDue, status, statusSeconds, validUntil });
  return isDue;
}
