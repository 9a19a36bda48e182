import { type RuleSet, readRuleSet, ruleDirectory, ruleSourceOf } from '@sallyport/bridge-rules';
import { type CloudConnection, cloudConnection, cloudConnections, parseCloudName } from '@sallyport/cloud';
import type { Settings } from '@sallyport/config';
import { Argument, type Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { usualProfile } from '../cloud-profile.js';
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
export async function openRules(context: CliContext, cloud: string, command: Command): Promise<ConnectionRules> {
  const given = optionsOf(command, ruleOptions);
  const settings = await openSettings(context, given);
  const connection = await cloudConnection(settings, connectionName(context, cloud, command));
  const ruleSet = await readRuleSet(await ruleSourceOf(settings, connection));
  const isConnected = cloudConnections(settings).includes(connection.name);
  return { settings, connection, ruleSet, directory: ruleDirectory(connection), isConnected };
}

function connectionName(context: CliContext, cloud: string, command: Command): string {
  const { kind, profile: written } = parseCloudName(cloud);
  const { profile: named } = optionsOf(command, ruleOptions);
  if (kind === 'custom' || written !== undefined) {
    if (named !== undefined) command.error(`error: option '--profile' does not go with "${cloud}"`, { exitCode: 2 });
    return cloud;
  }
  const profile = named ?? usualProfile(context);
  return profile === undefined ? cloud : `${cloud}@${profile}`;
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
  const { kind, name, profile } = connection;
  const what = profile === undefined ? cloudTitle(kind, name) : `${cloudTitle(kind, name)} with profile ${profile}`;
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  return [
    `Not connected to ${what}, so these rules are not in use: sallyport connect ${kind === 'custom' ? name : kind}${option}`,
  ];
}

/** What people call a cloud. */
export function cloudTitle(kind: CloudConnection['kind'], name: string): string {
  return { c8y: 'Cumulocity', az: 'Azure', aws: 'AWS', custom: `custom mapper '${name}'` }[kind];
}
