import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { addingCommands } from './adding.js';
import { decodeCommand } from './decode.js';
import { leverCommands } from './levers.js';
import { lookingCommands } from './looking.js';
import { provingCommands } from './proving.js';

/** `client-ca`: the CAs whose devices a connector admits. */
export function clientCaCommand(context: CliContext, program: Command): void {
  const clientCa = program
    .command('client-ca')
    .description('CAs whose devices the connector admits: look at one, add it, disable it, remove it');
  for (const add of [decodeCommand, addingCommands, lookingCommands, leverCommands, provingCommands])
    add(context, clientCa);
}
