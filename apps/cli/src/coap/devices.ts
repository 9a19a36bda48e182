import { type CoapDevice, coapDeviceRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { everyPage } from '../admin/pages.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { openGateway } from './gateway-call.js';

/** `coap devices`: who has signed in at the CoAP gateway, and who is online. */
export function devicesCommand(context: CliContext, parent: Command): void {
  parent
    .command('devices')
    .description('list the devices that have signed in at the CoAP gateway, and whether they are online')
    .action(async (_options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, globalOptions);
      const devices: CoapDevice[] = [];
      const fetchPage = (cursor: string | undefined) =>
        gateway.call(coapDeviceRoutes.listCoapDevices, { query: { limit: 1000, cursor } });
      for await (const page of everyPage(fetchPage)) devices.push(...page.devices);
      if (given.json) writeJson(context, { devices });
      else writeLines(context, devices.length === 0 ? ['No device has signed in yet.'] : table(devices));
    });
}

function table(devices: readonly CoapDevice[]): string[] {
  return tableLines(
    ['DEVICE', 'STATUS', 'SINCE', 'OWNER', 'ADDRESS'],
    devices.map(({ deviceId, isOnline, connectedAt, offlineAt, owner, remoteAddress }) => [
      deviceId,
      isOnline ? 'online' : 'offline',
      isOnline ? connectedAt : (offlineAt ?? '-'),
      owner ?? '-',
      remoteAddress,
    ]),
  );
}
