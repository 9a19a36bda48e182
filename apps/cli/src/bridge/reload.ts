import { type BridgeChange, type BridgeReloadResponse, mqttBridgeRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines, writeNotes } from '../output.js';

const options = globalOptions.extend({ dryRun: z.boolean().default(false) });

/**
 * `bridge reload`: the running bridges take over what settings, rules and certificates say now. It shows first what that
 * changes. If something is not valid, the bridges go on as before.
 */
export function reloadCommand(context: CliContext, parent: Command): void {
  parent
    .command('reload')
    .description('show what has changed in rules and settings, and put it in force')
    .option('--dry-run', 'only show it')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const settings = await openSettings(context, given);
      const client = await adminClientFor('mqtt-bridge', settings, { context, options: given });
      const planned = await client.call(mqttBridgeRoutes.reload, { body: { dryRun: true } });
      if (!given.json) writeLines(context, changeLines(planned));
      if (given.dryRun) {
        if (given.json) writeJson(context, planned);
        return;
      }
      const applied = await client.call(mqttBridgeRoutes.reload, { body: {} });
      if (given.json) writeJson(context, applied);
      if (applied.changes.length > 0) writeNotes(context, ['It is in force now.'], given.json);
    });
}

function changeLines({ changes, restartNeededFor = [] }: BridgeReloadResponse): string[] {
  const lines = changes.flatMap(linesOf);
  return [
    ...(lines.length === 0 ? ['Nothing changes.'] : lines),
    ...(restartNeededFor.length === 0 ? [] : [`Only a new start of the service reads: ${restartNeededFor.join(', ')}`]),
  ];
}

function linesOf({ name, change, settings, rules }: BridgeChange): string[] {
  const isReordered = change === 'rules' && rules.added.length + rules.removed.length === 0;
  return [
    `${name}: ${textOf(change, settings)}`,
    ...(isReordered ? ['  the order of the rules'] : []),
    ...rules.removed.map((rule) => `  - ${rule}`),
    ...rules.added.map((rule) => `  + ${rule}`),
  ];
}

function textOf(change: BridgeChange['change'], settings: readonly string[]): string {
  switch (change) {
    case 'added':
      return 'a new bridge';
    case 'removed':
      return 'the bridge ends';
    case 'reconnected':
      return `connects anew (${settings.join(', ')})`;
    case 'rules':
      return 'other rules, on the same connection';
    default:
      return change satisfies never;
  }
}
