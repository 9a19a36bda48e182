import { type DeviceId, deviceActionRequest, deviceListRoutes, registryRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { openRegistry } from './registry-call.js';

const options = globalOptions.extend({ reason: z.string().optional() });

/** `device delete` and `device release`. */
export function removalCommands(context: CliContext, parent: Command): void {
  parent
    .command('delete')
    .description('delete a device and end its connections; its name and certificates stay refused until "release"')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .option('--reason <text>', 'why, for the audit log')
    .action((device: DeviceId, _options: unknown, command: Command) => deleteDevice(context, device, command));
  parent
    .command('release')
    .description('let the name and the certificates of a deleted device in again')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .action((device: DeviceId, _options: unknown, command: Command) => release(context, device, command));
}

async function deleteDevice(context: CliContext, id: DeviceId, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, options);
  const query = validRequest(deviceActionRequest, given.reason === undefined ? {} : { reason: given.reason });
  await registry.call(registryRoutes.deleteDevice, { params: { id }, query });
  if (given.json) return writeJson(context, { deviceId: id, deleted: true });
  writeLines(context, [
    `Device ${id} is deleted. It does not come back by itself.`,
    `To let it in again as a new one: ${context.programName} device release ${id}`,
  ]);
}

async function release(context: CliContext, id: DeviceId, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, globalOptions);
  await registry.call(deviceListRoutes.releaseDevice, { params: { id } });
  if (given.json) return writeJson(context, { deviceId: id, released: true });
  writeLines(context, [`Device ${id} may come in again.`]);
}
