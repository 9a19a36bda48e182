import type { AdminClient } from '@sallyport/admin-client';
import { quoted } from '@sallyport/config';
import { type ConnectorName, connectorName, defaultConnector } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { schemaArgument } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';

/** Options of every command that is about one connector. */
export const connectorOptions = globalOptions.extend({ connector: connectorName.default(defaultConnector) });
export type ConnectorOptions = z.infer<typeof connectorOptions>;

/** A command that is about one connector. */
export function aboutConnector(command: Command): Command {
  return command.option(
    '--connector <name>',
    `which connector (default: ${defaultConnector})`,
    schemaArgument(connectorName),
  );
}

/** The connector a command is about, and the registry that has it. */
export interface ConnectorCall<Given extends ConnectorOptions = ConnectorOptions> {
  readonly context: CliContext;
  readonly given: Given;
  readonly registry: AdminClient;
  readonly params: { readonly name: ConnectorName };
}

/** Reads the options of a command, and opens the admin API that it needs. */
export async function openConnector<Schema extends z.ZodType<ConnectorOptions>>(
  context: CliContext,
  command: Command,
  schema: Schema,
): Promise<ConnectorCall<z.infer<Schema>>> {
  const given = optionsOf(command, schema);
  const settings = await openSettings(context, given);
  const registry = await adminClientFor('device-registry', settings, { context, options: given });
  return { context, given, registry, params: { name: given.connector } };
}

/** A command line that works on the same connector: `sallyport connector save --connector plant2`. */
export function commandFor({ context, given }: ConnectorCall, words: string): string {
  const directory = given.configDir === undefined ? '' : ` --config-dir ${quoted(given.configDir)}`;
  const connector = given.connector === defaultConnector ? '' : ` --connector ${given.connector}`;
  return `${context.programName}${directory} ${words}${connector}`;
}
