import { coapResourceRoutes, type OcfUuid, ocfDeviceId, type ResourceList } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { globalOptions, ocfUuidArgument } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { openGateway } from './gateway-call.js';

const longestShownValue = 60;

/** `coap resources`: what a device has published, and the last values. */
export function resourcesCommand(context: CliContext, parent: Command): void {
  parent
    .command('resources')
    .description('list the resources of a device, with the last value of each')
    .argument('<device>', 'UUID of the device', ocfUuidArgument)
    .action(async (device: OcfUuid, _options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, globalOptions);
      const list = await gateway.call(coapResourceRoutes.listResources, { params: { id: ocfDeviceId(device) } });
      if (given.json) writeJson(context, list);
      else writeLines(context, resourceLines(list));
    });
}

const syncTexts: Readonly<Record<ResourceList['sync'], string>> = {
  'in-sync': 'The values are those of the device now.',
  syncing: 'The device is being asked for its values.',
  'out-of-sync': 'The device is away: the values are the last it told.',
};

function resourceLines({ sync, resources }: ResourceList): string[] {
  if (resources.length === 0) return ['The device has published no resource.'];
  return [...resourceTable({ resources }), '', syncTexts[sync]];
}

/** Resources with their last values, for people. */
export function resourceTable({ resources }: Pick<ResourceList, 'resources'>): string[] {
  const rows = resources.map(({ href, rt, content, at }) => [href, rt.join(', '), valueText(content), at ?? '-']);
  return tableLines(['RESOURCE', 'TYPES', 'VALUE', 'AT'], rows);
}

function valueText(content: unknown): string {
  if (content === undefined) return '-';
  const text = JSON.stringify(content);
  return text.length <= longestShownValue ? text : `${text.slice(0, longestShownValue - 1)}…`;
}
