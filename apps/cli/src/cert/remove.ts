import { removeIfPresent } from '@sallyport/identity';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { cloudArgument } from './cloud-argument.js';
import { deviceFiles } from './device-files.js';

/** `cert remove`: deletes certificate, key and what waits beside them. Whoever trusts the certificate still does. */
export function removeCommand(context: CliContext, parent: Command): void {
  parent
    .command('remove')
    .description('delete the certificate and the private key of this device')
    .addArgument(cloudArgument())
    .action(async (_cloud, _options, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const { certPath, keyPath, csrPath, waitingCertPath } = deviceFiles(await openSettings(context, given));
      const removed: string[] = [];
      // A signing request belongs to its key, and `.next` holds a renewal that was under way.
      for (const path of [waitingCertPath, `${keyPath}.next`, certPath, `${certPath}.csr`, keyPath, csrPath])
        if (await removeIfPresent(path)) removed.push(path);
      if (given.json) writeJson(context, { removed });
      else
        writeLines(context, removed.length === 0 ? ['Nothing to remove.'] : removed.map((path) => `Removed ${path}`));
    });
}
