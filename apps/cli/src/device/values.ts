import type { AdminClient } from '@sallyport/admin-client';
import { quoted } from '@sallyport/config';
import {
  type DeviceId,
  type DeviceValueList,
  registryRoutes,
  resourceAlias,
  type ValueHistory,
  valueRoutes,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { numberArgument, schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, type GlobalOptions, globalOptions, openSettings, optionsOf } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';
import { openRegistry } from './registry-call.js';

const mostPoints = z.number().min(1).max(1000);
const historyOptions = globalOptions.extend({ alias: resourceAlias.optional(), limit: mostPoints.default(100) });

/** `device values | set | history`: what devices report, and what is desired of them. */
export function valueCommands(context: CliContext, parent: Command): void {
  parent
    .command('values')
    .description('show what a device reported last, and what is desired of it')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .action(async (id: DeviceId, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const values = await (await connectorOf(context, given)).call(valueRoutes.showValues, { params: { id } });
      if (given.json) writeJson(context, values);
      else writeLines(context, valueLines(values).map(context.typed));
    });
  parent
    .command('set')
    .description('set values for a device: it gets them now, or when it connects')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .argument('<values...>', 'such as valve=open', assignmentArgument)
    .action(async (id: DeviceId, assigned: Readonly<Record<string, string>>, _options: unknown, command: Command) =>
      setValues(context, command, { id, values: assigned }),
    );
  parent
    .command('history')
    .description('show what a device reported, newest first')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .option('--alias <alias>', 'only this value', schemaArgument(resourceAlias))
    .option('--limit <points>', 'how many (default: 100)', numberArgument(mostPoints))
    .action(async (id: DeviceId, _options: unknown, command: Command) => {
      const given = optionsOf(command, historyOptions);
      const query = { limit: given.limit, ...(given.alias === undefined ? {} : { alias: given.alias }) };
      const history = await (await connectorOf(context, given)).call(valueRoutes.readHistory, {
        params: { id },
        query,
      });
      if (given.json) writeJson(context, history);
      else writeLines(context, historyLines(history));
    });
}

async function connectorOf(context: CliContext, given: GlobalOptions): Promise<AdminClient> {
  return adminClientFor('connector', await openSettings(context, given), { context, options: given });
}

interface Assignment {
  readonly id: DeviceId;
  readonly values: Readonly<Record<string, string>>;
}

async function setValues(context: CliContext, command: Command, { id, values }: Assignment): Promise<void> {
  const { given, registry } = await openRegistry(context, command, globalOptions);
  // The registry knows every device, and its connector; the connector knows only what a device has written.
  const { connector } = await registry.call(registryRoutes.showDevice, { params: { id } });
  const body = { ...(connector === undefined ? {} : { connector }), values };
  const set = await (await connectorOf(context, given)).call(valueRoutes.setValues, { params: { id }, body });
  if (given.json) writeJson(context, set);
  else
    writeLines(context, [
      `Set at ${set.at}. The device has it when "synced" is yes: ${context.programName} device values ${quoted(id)}`,
    ]);
}

function assignmentArgument(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, alias, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (alias === undefined || value === undefined || !resourceAlias.safeParse(alias).success)
    throw new InvalidArgumentError(`"${text}" sets nothing: write it as alias=value.`);
  return { ...earlier, [alias]: value };
}

/** Values for people. */
export function valueLines({ values }: DeviceValueList): string[] {
  if (values.length === 0) return ['No value is kept. To keep one: sallyport connector resource set ALIAS'];
  return tableLines(
    ['VALUE', 'REPORTED', 'AT', 'DESIRED', 'SYNCED'],
    values.map(({ alias, reported, desired, synced }) => [
      alias,
      reported?.value ?? '-',
      reported?.at ?? '-',
      desired?.value ?? '-',
      desired === undefined ? '-' : synced ? 'yes' : 'no',
    ]),
  );
}

function historyLines({ points }: ValueHistory): string[] {
  if (points.length === 0) return ['Nothing is kept.'];
  return tableLines(
    ['AT', 'VALUE', 'REPORTED'],
    points.map(({ at, alias, value }) => [at, alias, value]),
  );
}
