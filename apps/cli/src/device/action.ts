import { type DeviceAction, type DeviceId, deviceActionRequest, registryRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({ reason: z.string().optional() });

const descriptions: Readonly<Record<DeviceAction, string>> = {
  approve: 'admit a device that came for the first time and waits',
  lock: 'refuse a device until it is unlocked, and end its connections',
  unlock: 'admit a locked device again',
  revoke: 'revoke a device and its certificates, and end its connections',
  retire: 'take a device out of service for good, and end its connections',
};

const participles: Readonly<Record<DeviceAction, string>> = {
  approve: 'approved',
  lock: 'locked',
  unlock: 'unlocked',
  revoke: 'revoked',
  retire: 'retired',
};

/** `device approve | lock | unlock | revoke | retire`: each may be repeated. */
export function actionCommands(context: CliContext, parent: Command): void {
  for (const action of ['approve', 'lock', 'unlock', 'revoke', 'retire'] as const)
    parent
      .command(action)
      .description(descriptions[action])
      .argument('<device>', 'name of the device', deviceIdArgument)
      .option('--reason <text>', 'why, for the audit log and "device show"')
      .action((deviceId: DeviceId, _options: unknown, command: Command) =>
        change(context, { action, deviceId, command }),
      );
}

async function change(
  context: CliContext,
  { action, deviceId, command }: { action: DeviceAction; deviceId: DeviceId; command: Command },
): Promise<void> {
  const given = optionsOf(command, options);
  const registry = await adminClientFor('device-registry', await openSettings(context, given), {
    context,
    options: given,
  });
  const body = validRequest(deviceActionRequest, given.reason === undefined ? {} : { reason: given.reason });
  const device = await registry.call(registryRoutes.changeDevice, { params: { id: deviceId, action }, body });
  if (given.json) writeJson(context, device);
  else writeLines(context, [`Device ${deviceId} is ${participles[action]}.`]);
}
