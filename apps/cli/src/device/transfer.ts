import { readTextIfPresent } from '@sallyport/files';
import { connectorName, deviceListRoutes, type ImportResponse, importRequest } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { everyPage } from '../admin/pages.js';
import { validRequest } from '../admin/valid-request.js';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, durationArgument, globalOptions } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { writeOutputFile } from '../output-file.js';
import { csvParts } from './csv-parts.js';
import { filterOf, filterOptions, repeated, withFilter } from './device-filter.js';
import { openRegistry } from './registry-call.js';
import { tagsIn } from './tag.js';

const importOptions = globalOptions.extend({
  connector: connectorName.optional(),
  for: z.number().optional(),
  tag: z.array(z.string()).default([]),
  check: z.boolean().default(false),
});
const exportOptions = filterOptions.extend({ output: z.string().optional() });

/** `device import` and `device export`: CSV files. */
export function transferCommands(context: CliContext, parent: Command): void {
  parent
    .command('import')
    .description('let the devices of a CSV file come in; its first line is "ID" or "ID, SSL Client Certificate"')
    .argument('<file>', 'the CSV file')
    .option('--check', 'only say what is wrong with the file')
    .option('--for <duration>', 'until then, such as 48h; 0s: without an end', durationArgument)
    .option('--connector <name>', 'only at this connector', schemaArgument(connectorName))
    .option('--tag <name=value>', 'give them this tag when they come; can be repeated', repeated)
    .action((file: string, _options: unknown, command: Command) => importFile(context, file, command));
  withFilter(parent.command('export'))
    .description('write devices as CSV')
    .option('--output <file>', 'into this file')
    .action((_options: unknown, command: Command) => exportFile(context, command));
}

async function importFile(context: CliContext, file: string, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, importOptions);
  const text = await readTextIfPresent(absolutePath(context, file));
  if (text === undefined) throw new Failure(`There is no file ${file}.`, 'Give the path of a CSV file.');
  const { connector, for: seconds, tag, check } = given;
  const common = {
    mode: check ? 'check' : 'import',
    ...(connector === undefined ? {} : { connector }),
    ...(seconds === undefined ? {} : { hours: Math.ceil(seconds / 3600) }),
    ...(tag.length === 0 ? {} : { tags: tagsIn(tag) }),
  };
  const total: ImportResponse = { allowed: 0, unchanged: 0, faults: [] };
  for (const { csv, rowsBefore } of csvParts(text)) {
    const body = validRequest(importRequest, { csv, ...common });
    const { allowed, unchanged, faults } = await registry.call(deviceListRoutes.importDevices, { body });
    total.allowed += allowed;
    total.unchanged += unchanged;
    total.faults.push(...faults.map((fault) => ({ ...fault, row: fault.row + rowsBefore })));
  }
  if (given.json) writeJson(context, total);
  else writeLines(context, importLines(total, check));
  if (total.faults.length > 0)
    throw new Failure(`${total.faults.length} rows were left out.`, 'Mend them, and import the file again.');
}

function importLines({ allowed, unchanged, faults }: ImportResponse, isCheck: boolean): string[] {
  const verb = isCheck ? 'could come in' : 'may come in now';
  return [
    ...faults.map(({ row, id, fault }) => `Row ${row} (${JSON.stringify(id)}): ${fault}`),
    `${allowed} devices ${verb}, ${unchanged} are registered already.`,
  ];
}

async function exportFile(context: CliContext, command: Command): Promise<void> {
  const { given, registry } = await openRegistry(context, command, exportOptions);
  const filter = filterOf(given, context);
  const fetchPage = (cursor: string | undefined) =>
    registry.call(deviceListRoutes.exportDevices, { query: { ...filter, cursor, limit: 1000 } });
  const parts: string[] = [];
  const isStreamed = given.output === undefined && !given.json;
  for await (const { csv } of everyPage(fetchPage)) {
    if (isStreamed) context.stdout.write(csv);
    else parts.push(csv);
  }
  if (isStreamed) return;
  if (given.output === undefined) return writeJson(context, { csv: parts.join('') });
  await writeOutputFile(absolutePath(context, given.output), parts.join(''), 0o644);
  if (given.json) writeJson(context, { output: given.output });
  else writeLines(context, [`Devices written to ${given.output}.`]);
}
