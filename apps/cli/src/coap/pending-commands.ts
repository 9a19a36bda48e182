import { coapResourceRoutes, commandId, type OcfUuid, ocfDeviceId, type PendingCommands } from '@sallyport/protocol';
import type { Command } from 'commander';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, ocfUuidArgument } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { openGateway } from './gateway-call.js';

const options = globalOptions.extend({ cancel: commandId.optional() });

/** `coap commands`: what waits for a device. */
export function pendingCommandsCommand(context: CliContext, parent: Command): void {
  parent
    .command('commands')
    .description('list the commands that a device has not answered yet, or cancel one')
    .argument('<device>', 'UUID of the device', ocfUuidArgument)
    .option('--cancel <id>', 'cancel this command', schemaArgument(commandId))
    .action(async (device: OcfUuid, _options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, options);
      const id = ocfDeviceId(device);
      if (given.cancel !== undefined) {
        await gateway.call(coapResourceRoutes.cancelCommand, { params: { id, command: given.cancel } });
        if (given.json) return writeJson(context, { cancelled: given.cancel });
        return writeLines(context, [`Command ${given.cancel} is cancelled.`]);
      }
      const pending = await gateway.call(coapResourceRoutes.listCommands, { params: { id } });
      if (given.json) writeJson(context, pending);
      else writeLines(context, commandLines(pending));
    });
}

function commandLines({ commands }: PendingCommands): string[] {
  if (commands.length === 0) return ['No command waits for the device.'];
  return tableLines(
    ['COMMAND', 'KIND', 'RESOURCE', 'STATE', 'SINCE', 'UNTIL', 'BY'],
    commands.map(({ id, kind, href, state, createdAt, validUntil, actor }) => [
      id,
      kind,
      href,
      state,
      createdAt,
      validUntil ?? 'for ever',
      actor,
    ]),
  );
}
