import { type RuleSet, readRuleSet, ruleDirectory, ruleSourceOf } from '@sallyport/bridge-rules';
import { type CloudConnection, cloudConnection, cloudConnections } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import { Argument, type Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { chosenConnection, commandLineOf } from '../connect/chosen-connection.js';
import { cloudTitle } from '../connect/cloud-words.js';
import { globalOptions, openSettings, optionsOf } from '../options.js';

/** Options of the commands about the rules of a connection. */
export const ruleOptions = globalOptions.extend({
  profile: z.string().optional(),
  showAll: z.boolean().default(false),
});

/** The rules of a connection to a cloud, and what a person should know about them. */
export interface ConnectionRules {
  readonly settings: Settings;
  readonly connection: CloudConnection;
  readonly ruleSet: RuleSet;
  /** The folder the rules are read from. */
  readonly directory: string;
  /** False when `cloud.connections` does not list the connection, so that no bridge runs for it. */
  readonly isConnected: boolean;
}

/** The argument that names the cloud or the user-defined mapper. */
export function connectionArgument(): Argument {
  return new Argument('<cloud>', 'c8y, az, aws, or the name of a user-defined mapper');
}

/**
 * Reads the rules of the connection that the command line names.
 *
 * @throws Problem `config-invalid`: settings or rules are wrong; all faults of the rules at once, with file and line
 * @throws Problem `not-found`: there is no such profile, or no such mapper
 */
export async function openRules(context: CliContext, command: Command): Promise<ConnectionRules> {
  const given = optionsOf(command, ruleOptions);
  const settings = await openSettings(context, given);
  const connection = await cloudConnection(settings, chosenConnection(context, command));
  const ruleSet = await readRuleSet(await ruleSourceOf(settings, connection));
  const isConnected = cloudConnections(settings).includes(connection.name);
  return { settings, connection, ruleSet, directory: ruleDirectory(connection), isConnected };
}

/** Lines that tell which rules were left out, and why. */
export function skippedLines({ ruleSet }: ConnectionRules): string[] {
  if (ruleSet.skipped.length === 0) return [];
  const rules = ruleSet.skipped.map(({ origin, reason }) => `  ${origin.file}, line ${origin.line}: ${reason}`);
  return ['Skipped rules:', ...rules, ''];
}

/** Tells on stderr that no bridge runs for a connection. */
export function unconnectedNotes({ connection, isConnected }: ConnectionRules): string[] {
  if (isConnected) return [];
  const { name, profile } = connection;
  const title = bridgedTitle(connection);
  const what = profile === undefined ? title : `${title} with profile ${profile}`;
  return [`Not connected to ${what}, so these rules are not in use: sallyport connect ${commandLineOf(name)}`];
}

/** The cloud as `tedge bridge` calls it. */
export function bridgedTitle(connection: Pick<CloudConnection, 'kind' | 'name'>): string {
  return connection.kind === 'custom' ? `custom mapper '${connection.name}'` : cloudTitle(connection);
}
