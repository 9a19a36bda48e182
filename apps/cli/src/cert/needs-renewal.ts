import type { Settings } from '@sallyport/config';
import { needsRenewal } from '@sallyport/identity';
import type { Certificate } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { describeFault, ExitStatus } from '../failure.js';
import { absolutePath, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeReport } from '../report.js';
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
  const leaf = await readLeaf(given.certPath === undefined ? certPath : absolutePath(context, given.certPath));
  return needsRenewal(leaf, context.now(), minimumSecondsFor(leaf, settings));
}

/**
 * How much life must be left: what the settings say. Where they say nothing, 30 days, but never more than the last
 * third: a certificate that lives 30 days as a whole would need renewal from its first moment.
 */
function minimumSecondsFor({ notBefore, notAfter }: Certificate, settings: Settings): number {
  const minimumSeconds = settings.require('certificate.validity.minimum_duration');
  if (settings.source('certificate.validity.minimum_duration') !== 'default') return minimumSeconds;
  return Math.min(minimumSeconds, (notAfter.getTime() - notBefore.getTime()) / 3000);
}
