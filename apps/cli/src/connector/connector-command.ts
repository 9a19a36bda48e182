import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { connectorsCommands } from './connectors.js';
import { identityCommand, quotaCommand } from './identity.js';
import { domainCommands, hookCommands, resourceCommands } from './parts.js';
import { pkiCommand, provisioningCommand } from './provisioning.js';
import { savingCommands } from './saving.js';
import { showCommand } from './show.js';

/** `connector`: how devices with certificates of other CAs get in. Its commands change a draft until `save`. */
export function connectorCommand(context: CliContext, program: Command): void {
  const connector = program
    .command('connector')
    .description('settings of the connector: change a draft, look at it, save it');
  for (const add of [
    connectorsCommands,
    showCommand,
    provisioningCommand,
    pkiCommand,
    identityCommand,
    quotaCommand,
    domainCommands,
    resourceCommands,
    hookCommands,
    savingCommands,
  ])
    add(context, connector);
}
