import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { cborCommand } from './cbor.js';
import { codeCommand } from './code.js';
import { devicesCommand } from './devices.js';
import { identityCommand } from './identity.js';
import { pendingCommandsCommand } from './pending-commands.js';
import { resourceAccessCommands } from './resource-commands.js';
import { resourcesCommand } from './resources.js';

/** `coap`: devices of OCF, which connect to the CoAP gateway. */
export function coapCommand(context: CliContext, program: Command): void {
  const coap = program.command('coap').description('devices of OCF, which connect over CoAP');
  for (const add of [
    identityCommand,
    codeCommand,
    devicesCommand,
    cborCommand,
    resourcesCommand,
    resourceAccessCommands,
    pendingCommandsCommand,
  ])
    add(context, coap);
}
