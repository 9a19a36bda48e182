import { type DeviceId, ownerOrder, registryRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { deviceIdArgument, globalOptions } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { openRegistry } from './registry-call.js';

const options = globalOptions.extend({ release: z.boolean().default(false), reason: z.string().optional() });

interface OwnerArguments {
  readonly device: DeviceId;
  readonly owner: string | undefined;
  readonly command: Command;
}

/** `device owner`: who owns a device of OCF. */
export function ownerCommand(context: CliContext, parent: Command): void {
  parent
    .command('owner')
    .description('show who owns a device of OCF, give it to somebody else, or take it from its owner')
    .argument('<device>', 'name of the device: uuid:UUID', deviceIdArgument)
    .argument('[owner]', 'the new owner: the value of the owner claim in the access tokens of that person')
    .option('--release', 'take it from its owner, and revoke its certificates of this site')
    .option('--reason <text>', 'why, for the audit log')
    .action((device: DeviceId, owner: string | undefined, _options: unknown, command: Command) =>
      changeOwner(context, { device, owner, command }),
    );
}

async function changeOwner(context: CliContext, { device: id, owner, command }: OwnerArguments): Promise<void> {
  const { given, registry } = await openRegistry(context, command, options);
  if (given.release && owner !== undefined)
    throw new Failure('A device is given to somebody, or released, but not both.', 'Leave out OWNER or --release.');
  const params = { id };
  const isChange = given.release || owner !== undefined;
  const why = given.reason === undefined ? {} : { reason: given.reason };
  const device = isChange
    ? await registry.call(registryRoutes.setOwner, {
        params,
        body: validRequest(ownerOrder, { ...why, ...(owner === undefined ? {} : { owner }) }),
      })
    : await registry.call(registryRoutes.showDevice, { params });
  if (given.json) return writeJson(context, { deviceId: device.deviceId, owner: device.owner ?? null });
  const text = device.owner === undefined ? 'Nobody owns' : `"${device.owner}" owns`;
  writeLines(context, [`${text} device ${device.deviceId}.`]);
}
