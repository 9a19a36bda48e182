import { type BridgeRule, compile } from '@sallyport/bridge-rules';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { optionsOf } from '../options.js';
import { writeJson, writeLines, writeNotes } from '../output.js';
import {
  bridgedTitle,
  type ConnectionRules,
  connectionArgument,
  openRules,
  ruleOptions,
  skippedLines,
  unconnectedNotes,
} from './connection-rules.js';
import { type RunningRules, runningLines, runningRules } from './running-rules.js';

/** `bridge inspect`: the rules in force, grouped by direction as thin-edge.io shows them. */
export function inspectCommand(context: CliContext, parent: Command): void {
  parent
    .command('inspect')
    .description('list the rules of the bridge, and whether the bridge runs with them')
    .addArgument(connectionArgument())
    .addOption(profileOption())
    .option('--show-all', 'also rules that are not in force, with the reason')
    .action(async (_cloud: string, _options, command: Command) => {
      const given = optionsOf(command, ruleOptions);
      const rules = await openRules(context, command);
      const running = await runningRules(rules, { context, options: given });
      if (given.json) return writeJson(context, document(rules, running));
      writeNotes(context, unconnectedNotes(rules).map(context.typed), given.json);
      const skipped = given.showAll || given.debug ? skippedLines(rules) : [];
      writeLines(context, [
        ...headLines(rules),
        ...skipped,
        ...ruleLines(rules),
        ...runningLines(running).map(context.typed),
      ]);
    });
}

function document({ connection, ruleSet, directory, isConnected }: ConnectionRules, running: RunningRules | undefined) {
  const { local, remote } = subscriptions(ruleSet);
  return {
    connection: connection.name,
    isConnected,
    directory,
    rules: ruleSet.rules.map(({ direction, localFilter, remoteFilter, origin }) => {
      return { direction, local: localFilter, remote: remoteFilter, ...origin };
    }),
    skipped: ruleSet.skipped.map(({ origin, reason }) => ({ ...origin, reason })),
    disabledFiles: ruleSet.disabledFiles,
    subscriptions: { local, remote },
    ...(running === undefined ? {} : { running }),
  };
}

function subscriptions(ruleSet: ConnectionRules['ruleSet']) {
  const matcher = compile(ruleSet);
  return { local: matcher.filters('local'), remote: matcher.filters('remote') };
}

function headLines({ connection, ruleSet, directory }: ConnectionRules): string[] {
  const { profile } = connection;
  return [
    `Bridge configuration for ${bridgedTitle(connection)}`,
    ...(profile === undefined ? [] : [`Profile: ${profile}`]),
    `Reading from: ${directory}`,
    '',
    ...ruleSet.disabledFiles.map((file) => `Skipping: ${file} (disabled)`),
  ];
}

function ruleLines({ ruleSet }: ConnectionRules): string[] {
  if (ruleSet.fileCount === 0) return ['No bridge configuration files found.'];
  const { rules } = ruleSet;
  if (rules.length === 0) return ['Bridge config files exist, but no rules were generated'];
  return [
    'Local -> Remote',
    ...groupLines(rules, 'outbound', '->'),
    '',
    'Remote -> Local',
    ...groupLines(rules, 'inbound', '->'),
    '',
    'Bidirectional',
    ...groupLines(rules, 'bidirectional', '<->'),
  ];
}

function groupLines(rules: readonly BridgeRule[], direction: BridgeRule['direction'], arrow: string): string[] {
  const pairs = rules
    .filter((rule) => rule.direction === direction)
    .map(({ localFilter, remoteFilter }) =>
      direction === 'inbound' ? [remoteFilter, localFilter] : [localFilter, remoteFilter],
    );
  if (pairs.length === 0) return ['  -- No matching rules --'];
  const width = Math.max(...pairs.map(([source = '']) => source.length));
  return pairs.map(([source = '', target = '']) => `  ${source.padEnd(width)}  ${arrow}  ${target}`);
}
