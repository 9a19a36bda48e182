import {
  connectorName,
  deviceEventType,
  eventRoutes,
  type WebhookDescription,
  type WebhookName,
  webhookChange,
  webhookName,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { validRequest } from '../admin/valid-request.js';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { repeated } from '../device/device-filter.js';
import { openRegistry } from '../device/registry-call.js';
import { globalOptions } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';

const addOptions = globalOptions.extend({
  type: z.array(z.string()).default([]),
  connector: connectorName.optional(),
});

/** `webhook`: where events of devices are sent. */
export function webhookCommand(context: CliContext, program: Command): void {
  const webhook = program.command('webhook').description('webhooks: addresses that events of devices are sent to');
  webhook
    .command('list')
    .description('show the webhooks, and how much waits for each')
    .action((_options: unknown, command: Command) => list(context, command));
  webhook
    .command('add')
    .description('make a webhook, or change one; its origin must be in registry.webhook.origins')
    .argument('<name>', 'name of the webhook', schemaArgument(webhookName))
    .argument('<url>', 'address that events are sent to')
    .option('--type <type>', `only this event, such as ${deviceEventType.options[0]}; can be repeated`, repeated)
    .option('--connector <name>', 'only devices of this connector', schemaArgument(connectorName))
    .action((name: WebhookName, url: string, _options: unknown, command: Command) =>
      add(context, { name, url }, command),
    );
  webhook
    .command('remove')
    .description('remove a webhook, and what waits for it')
    .argument('<name>', 'name of the webhook', schemaArgument(webhookName))
    .action((name: WebhookName, _options: unknown, command: Command) => remove(context, name, command));
}

async function list(context: CliContext, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, globalOptions);
  const answer = await registry.call(eventRoutes.listWebhooks, {});
  if (given.json) return writeJson(context, answer);
  const rows = answer.webhooks.map(rowOf);
  const header = ['NAME', 'URL', 'EVENTS', 'CONNECTOR', 'WAITING', 'LAST FAULT'];
  writeLines(context, rows.length === 0 ? ['No webhooks.'] : tableLines(header, rows));
}

async function add(
  context: CliContext,
  { name, url }: { readonly name: WebhookName; readonly url: string },
  command: Command,
): Promise<void> {
  const { given, registry } = await openRegistry(context, command, addOptions);
  const { type: types, connector } = given;
  const body = validRequest(webhookChange, {
    url,
    ...(types.length === 0 ? {} : { types }),
    ...(connector === undefined ? {} : { connector }),
  });
  const answer = await registry.call(eventRoutes.setWebhook, { params: { name }, body });
  if (given.json) writeJson(context, answer);
  else writeLines(context, [`Events from now on are sent to ${answer.url}`]);
}

async function remove(context: CliContext, name: WebhookName, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, globalOptions);
  await registry.call(eventRoutes.removeWebhook, { params: { name } });
  if (given.json) return writeJson(context, { removed: name });
  writeLines(context, [`Webhook ${name} is removed.`]);
}

function rowOf({ name, url, types, connector, waiting, fault }: WebhookDescription): string[] {
  return [name, url, types?.join(',') ?? 'all', connector ?? 'any', String(waiting), fault ?? '-'];
}
