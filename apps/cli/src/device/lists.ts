import {
  allowRequest,
  connectorName,
  type DeniedPeer,
  type DeviceId,
  denyRequest,
  deviceId,
  deviceListRoutes,
  type ExpectedDevice,
  fingerprint,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { everyPage } from '../admin/pages.js';
import { validRequest } from '../admin/valid-request.js';
import { schemaArgument, schemaArguments } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { durationArgument, globalOptions } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { repeated } from './device-filter.js';
import { openRegistry, type RegistryCall } from './registry-call.js';
import { tagsIn } from './tag.js';

const listOptions = globalOptions.extend({ remove: z.boolean().default(false) });
const allowOptions = listOptions.extend({
  connector: connectorName.optional(),
  for: z.number().optional(),
  tag: z.array(z.string()).default([]),
});
const denyOptions = listOptions.extend({ reason: z.string().optional() });
const anyId = z.union([fingerprint, deviceId]);
type AnyId = z.infer<typeof anyId>;

/** `device allow` and `device deny`. Without names, they show the list. */
export function listCommands(context: CliContext, parent: Command): void {
  parent
    .command('allow')
    .description('let names come in for the first time; without names, show who may')
    .argument('[devices...]', 'names of devices', schemaArguments(deviceId))
    .option(
      '--for <duration>',
      'until then, such as 48h; 0s: without an end (default: as the connector says)',
      durationArgument,
    )
    .option('--connector <name>', 'only at this connector', schemaArgument(connectorName))
    .option('--tag <name=value>', 'give them this tag when they come; can be repeated', repeated)
    .option('--remove', 'take the names off the list')
    .action((names: DeviceId[], _options: unknown, command: Command) => allow(context, names, command));
  parent
    .command('deny')
    .description('refuse names or certificates, whoever vouches for them; without any, show who is refused')
    .argument('[devices...]', 'names of devices, or fingerprints of certificates', schemaArguments(anyId))
    .option('--reason <text>', 'why, for the audit log')
    .option('--remove', 'take them off the list')
    .action((ids: AnyId[], _options: unknown, command: Command) => deny(context, ids, command));
}

async function allow(context: CliContext, names: readonly DeviceId[], command: Command): Promise<void> {
  const call = await openRegistry(context, command, allowOptions);
  const { given, registry } = call;
  if (names.length === 0) return showAllowed(call);
  if (given.remove) {
    for (const name of names) await registry.call(deviceListRoutes.withdrawAllowed, { params: { id: name } });
    return report(call, `${names.length} taken off the allow list.`, names.length);
  }
  const { connector, for: seconds, tag } = given;
  const body = validRequest(allowRequest, {
    devices: names,
    ...(connector === undefined ? {} : { connector }),
    ...(seconds === undefined ? {} : { hours: Math.ceil(seconds / 3600) }),
    ...(tag.length === 0 ? {} : { tags: tagsIn(tag) }),
  });
  const { changed } = await registry.call(deviceListRoutes.allowDevices, { body });
  report(call, `${changed} may come in.`, changed);
}

async function deny(context: CliContext, ids: readonly AnyId[], command: Command): Promise<void> {
  const call = await openRegistry(context, command, denyOptions);
  const { given, registry } = call;
  if (ids.length === 0) return showDenied(call);
  if (given.remove) {
    for (const id of ids) await registry.call(deviceListRoutes.withdrawDenied, { params: { id } });
    return report(call, `${ids.length} taken off the deny list.`, ids.length);
  }
  const isCertificate = (id: string) => fingerprint.safeParse(id).success;
  const body = validRequest(denyRequest, {
    devices: ids.filter((id) => !isCertificate(id)),
    fingerprints: ids.filter(isCertificate),
    ...(given.reason === undefined ? {} : { reason: given.reason }),
  });
  const { changed } = await registry.call(deviceListRoutes.denyPeers, { body });
  report(call, `${changed} denied.`, changed);
}

type ListCall = RegistryCall<z.infer<typeof listOptions>>;

async function showAllowed({ context, given, registry }: ListCall): Promise<void> {
  const fetchPage = (cursor: string | undefined) =>
    registry.call(deviceListRoutes.listAllowed, { query: { cursor, limit: 1000 } });
  const devices: ExpectedDevice[] = [];
  for await (const page of everyPage(fetchPage)) devices.push(...page.devices);
  if (given.json) return writeJson(context, { devices });
  const rows = devices.map(({ deviceId: name, state, until, connector, fingerprint: bound, actor }) => [
    name,
    state,
    until ?? '-',
    connector ?? 'any',
    bound ?? 'any',
    actor,
  ]);
  writeLines(
    context,
    rows.length === 0
      ? ['No names.']
      : tableLines(['DEVICE', 'STATE', 'UNTIL', 'CONNECTOR', 'CERTIFICATE', 'BY'], rows),
  );
}

async function showDenied({ context, given, registry }: ListCall): Promise<void> {
  const fetchPage = (cursor: string | undefined) =>
    registry.call(deviceListRoutes.listDenied, { query: { cursor, limit: 1000 } });
  const denied: DeniedPeer[] = [];
  for await (const page of everyPage(fetchPage)) denied.push(...page.denied);
  if (given.json) return writeJson(context, { denied });
  const rows = denied.map(({ deviceId: name, fingerprint: certificate, at, actor, reason }) => [
    name ?? certificate ?? '',
    at,
    actor,
    reason ?? '',
  ]);
  writeLines(context, rows.length === 0 ? ['Nobody.'] : tableLines(['DENIED', 'SINCE', 'BY', 'REASON'], rows));
}

function report({ context, given }: ListCall, sentence: string, changed: number): void {
  if (given.json) writeJson(context, { changed });
  else writeLines(context, [sentence]);
}
