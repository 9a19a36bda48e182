import { type ConnectorList, type ConnectorName, connectorName, connectorRoutes } from '@sallyport/protocol';
import { Argument, type Command } from 'commander';
import { adminClientFor } from '../admin/admin-clients.js';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';
import { tableLines, writeJson, writeLines } from '../output.js';

/** `connector list | create | delete`: the connectors of this site. */
export function connectorsCommands(context: CliContext, parent: Command): void {
  const name = () => new Argument('<name>', 'name of the connector').argParser(schemaArgument(connectorName));
  parent
    .command('list')
    .description('list the connectors of this site')
    .action((_options: unknown, command: Command) => list(context, command));
  parent
    .command('create')
    .description('make another connector, which admits nobody yet')
    .addArgument(name())
    .action((created: ConnectorName, _options: unknown, command: Command) => create(context, command, created));
  parent
    .command('delete')
    .description('remove a connector that has no devices')
    .addArgument(name())
    .action((removed: ConnectorName, _options: unknown, command: Command) => remove(context, command, removed));
}

async function open(context: CliContext, command: Command) {
  const given = optionsOf(command, globalOptions);
  const settings = await openSettings(context, given);
  return { given, registry: await adminClientFor('device-registry', settings, { context, options: given }) };
}

async function list(context: CliContext, command: Command): Promise<void> {
  const { given, registry } = await open(context, command);
  const connectors = await registry.call(connectorRoutes.listConnectors);
  if (given.json) writeJson(context, connectors);
  else writeLines(context, connectorTable(connectors));
}

/** The connectors of a site for people. */
export function connectorTable({ connectors }: ConnectorList): string[] {
  return tableLines(
    ['CONNECTOR', 'VERSION', 'DOMAINS', 'SELF-PROVISIONING', 'PKI', 'CLIENT CAS'],
    connectors.map(({ name, version, domains, self, pki, clientCas }) => [
      name,
      String(version),
      domains.join(', ') || '-',
      self ? 'on' : 'off',
      pki ? 'on' : 'off',
      String(clientCas),
    ]),
  );
}

async function create(context: CliContext, command: Command, name: ConnectorName): Promise<void> {
  const { given, registry } = await open(context, command);
  const connector = await registry.call(connectorRoutes.createConnector, { body: { name } });
  if (given.json) return writeJson(context, connector);
  writeLines(context, [
    `Connector "${name}" is there. Give it a name that devices use:`,
    `  ${context.programName} connector domain add DOMAIN --connector ${name}`,
  ]);
}

async function remove(context: CliContext, command: Command, name: ConnectorName): Promise<void> {
  const { given, registry } = await open(context, command);
  const { etag } = await registry.call(connectorRoutes.showConnector, { params: { name } });
  await registry.call(connectorRoutes.removeConnector, { params: { name }, ifMatch: etag });
  if (given.json) writeJson(context, { removed: name });
  else writeLines(context, [`Connector "${name}" is removed.`]);
}
