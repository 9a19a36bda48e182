import { journalRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';

/** Services that keep a journal. */
const services = ['device-registry', 'pki-signer'] as const;

/** `audit acknowledge`: somebody knows that an older copy of the store was restored, so `doctor` says it no more. */
export function acknowledgeCommand(context: CliContext, parent: Command): void {
  parent
    .command('acknowledge')
    .description('say that you know that an older copy of the store was restored')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const settings = await openSettings(context, given);
      const acknowledged: string[] = [];
      for (const service of services) {
        const client = await adminClientFor(service, settings, { context, options: given });
        const { olderCopy } = await client.call(journalRoutes.show);
        if (olderCopy === undefined) continue;
        await client.call(journalRoutes.acknowledge);
        acknowledged.push(service);
      }
      if (given.json) writeJson(context, { acknowledged });
      else writeLines(context, [outcome(acknowledged)]);
    });
}

function outcome(acknowledged: readonly string[]): string {
  if (acknowledged.length === 0) return 'No service has found an older copy of its store.';
  return `Acknowledged for ${acknowledged.join(' and ')}. The audit log says so too.`;
}
