import { type DeviceSummary, deviceState, registryRoutes } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import { everyPage } from '../admin/pages.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({ state: deviceState.optional() });

/** `device list`: everybody the registry knows. */
export function listCommand(context: CliContext, parent: Command): void {
  parent
    .command('list')
    .description('list devices, their state, the end of their certificate, and who vouches for them')
    .addOption(new Option('--state <state>', 'only devices in this state').choices(deviceState.options))
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const registry = await adminClientFor('device-registry', await openSettings(context, given), {
        context,
        options: given,
      });
      const devices: DeviceSummary[] = [];
      const fetchPage = (cursor: string | undefined) =>
        registry.call(registryRoutes.listDevices, { query: { limit: 1000, state: given.state, cursor } });
      for await (const page of everyPage(fetchPage)) devices.push(...page.devices);
      if (given.json) writeJson(context, { devices });
      else writeLines(context, devices.length === 0 ? ['No devices.'] : table(devices));
    });
}

function table(devices: readonly DeviceSummary[]): string[] {
  return tableLines(
    ['DEVICE', 'KIND', 'STATE', 'SINCE', 'CERTIFICATE UNTIL', 'VOUCHED BY'],
    devices.map(({ deviceId, kind, state, stateChangedAt, notAfter, authority, authorityName }) => [
      deviceId,
      kind,
      state,
      stateChangedAt,
      notAfter ?? '-',
      authority === 'site' ? 'this site' : (authorityName ?? (authority === 'none' ? '-' : authority)),
    ]),
  );
}
