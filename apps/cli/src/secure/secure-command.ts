import { join } from 'node:path';
import { withFileLock } from '@sallyport/config';
import { type SecurityLevel, securityLevel } from '@sallyport/protocol';
import type { Command } from 'commander';
import { exists } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson } from '../output.js';
import { openSite, type Site } from '../site/site.js';
import { LevelSwitch } from './level-switch.js';
import { StepLog } from './step-log.js';

const descriptions: Readonly<Record<SecurityLevel, string>> = {
  plain: 'switch every listener to plain HTTP and MQTT: nobody is authenticated',
  server: 'switch every listener to TLS: clients authenticate the server',
  mutual: 'switch every listener to mutual TLS: both sides authenticate each other',
};

/** `secure plain | server | mutual`: takes the whole site to a level, proves it, and takes it back if anything fails. */
export function secureCommand(context: CliContext, program: Command): void {
  const secure = program
    .command('secure')
    .description('switch the security level of the whole site, without a restart');
  for (const level of securityLevel.options)
    secure
      .command(level)
      .description(descriptions[level])
      .action(async (_options: unknown, command: Command) => {
        const given = optionsOf(command, globalOptions);
        const steps = new StepLog(context, given.json);
        try {
          const site = await openSite(context, given);
          await alone(site, () => new LevelSwitch(site, level, steps).run());
        } finally {
          if (given.json) writeJson(context, { level, steps: steps.steps });
        }
      });
}

/**
 * Two switches at once would take back each other's changes.
 *
 * @throws Problem `unavailable`: another one is under way
 */
async function alone({ settings: { directory } }: Site, work: () => Promise<void>): Promise<void> {
  // Without the directory there is no site, which the work itself will say.
  if (!(await exists(directory))) return work();
  await withFileLock(join(directory, 'secure.lock'), work, 0);
}
