import { removeIfPresent } from '@sallyport/files';
import { rhythmPathOf } from '@sallyport/identity';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeNotes } from '../output.js';
import { chosenCloud, cloudArgument } from './cloud-choice.js';
import { type DeviceFiles, deviceFiles } from './device-files.js';

/** `cert remove`: deletes certificate, key and unfinished renewals. Who trusts the certificate still trusts it. */
export function removeCommand(context: CliContext, parent: Command): void {
  parent
    .command('remove')
    .description('delete the certificate and the private key of this device')
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const choice = chosenCloud(context, command);
      const settings = await openSettings(context, given, choice);
      const removed: string[] = [];
      for (const path of doomedPaths(deviceFiles(settings, choice), deviceFiles(settings)))
        if (await removeIfPresent(path)) removed.push(path);
      if (given.json) writeJson(context, { removed });
      writeNotes(context, removedNotes(removed), given.json);
    });
}

function removedNotes(removed: readonly string[]): string[] {
  if (removed.length === 0) return ['There is no certificate to remove'];
  return ['Certificate was successfully removed', ...removed.map((path) => `    => ${path}`)];
}

/**
 * What makes up an identity. A signing request belongs to its key, and `.next` holds a renewal that was under way.
 * If the cloud has its own certificate, files that it shares with the device stay: the device still needs them.
 */
function doomedPaths({ certPath, keyPath, csrPath, waitingCertPath }: DeviceFiles, device: DeviceFiles): string[] {
  const paths = [
    ...[waitingCertPath, `${keyPath}.next`, certPath, `${certPath}.csr`, keyPath, csrPath],
    rhythmPathOf(certPath),
  ];
  if (certPath === device.certPath) return paths;
  const shared = new Set([device.keyPath, `${device.keyPath}.next`, device.csrPath]);
  return paths.filter((path) => !shared.has(path));
}
