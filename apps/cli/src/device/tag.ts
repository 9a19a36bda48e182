import { type DeviceId, registryRoutes, splitTag, tagRequest } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { UsageFault } from '../failure.js';
import { deviceIdArgument, globalOptions } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { repeated } from './device-filter.js';
import { openRegistry } from './registry-call.js';

const options = globalOptions.extend({ remove: z.array(z.string()).default([]) });

/** `device tag`: sets and removes tags. */
export function tagCommand(context: CliContext, parent: Command): void {
  parent
    .command('tag')
    .description('set tags of a device, or remove them; without any, show them')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .argument('[tags...]', 'tags as NAME=VALUE; a name with several values is given several times')
    .option('--remove <name>', 'remove the tag of this name; can be repeated', repeated)
    .action((device: DeviceId, tags: string[], _options: unknown, command: Command) =>
      changeTags(context, { device, tags, command }),
    );
}

async function changeTags(
  context: CliContext,
  { device, tags, command }: { device: DeviceId; tags: readonly string[]; command: Command },
): Promise<void> {
  const { given, registry } = await openRegistry(context, command, options);
  const body = validRequest(tagRequest, { set: tagsIn(tags), remove: given.remove });
  const changed = await registry.call(registryRoutes.tagDevice, { params: { id: device }, body });
  if (given.json) return writeJson(context, changed);
  const lines = tagTexts(changed.tags ?? {});
  writeLines(context, lines.length === 0 ? [`Device ${changed.deviceId} has no tags.`] : lines);
}

/** Tags of `NAME=VALUE` texts. */
export function tagsIn(texts: readonly string[]): Record<string, string[]> {
  const tags: Record<string, string[]> = {};
  for (const text of texts) {
    const [name, value] = splitTag(text);
    if (value === undefined || name === '') throw new UsageFault(`"${text}" is no tag.`, 'Write it as NAME=VALUE.');
    tags[name] = [...(tags[name] ?? []), value];
  }
  return tags;
}

/** Tags as `NAME=VALUE` texts. */
export function tagTexts(tags: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(tags).flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
}
