import { type DeviceSummary, registryRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { everyPage } from '../admin/pages.js';
import type { CliContext } from '../cli-context.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { filterOf, filterOptions, withFilter } from './device-filter.js';
import { openRegistry } from './registry-call.js';

/** `device list`: everybody the registry knows, or those that a filter names. */
export function listCommand(context: CliContext, parent: Command): void {
  withFilter(parent.command('list'))
    .description('list devices, their state, the end of their certificate, and who vouches for them')
    .action(async (_options: unknown, command: Command) => {
      const { given, registry } = await openRegistry(context, command, filterOptions);
      const filter = filterOf(given, context);
      const devices: DeviceSummary[] = [];
      const fetchPage = (cursor: string | undefined) =>
        registry.call(registryRoutes.listDevices, { query: { limit: 1000, ...filter, cursor } });
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
