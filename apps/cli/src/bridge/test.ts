import { type BridgeRule, compile, type RuleSet, type Travel } from '@sallyport/bridge-rules';
import { isTopicName } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { ExitStatus, Failure } from '../failure.js';
import { optionsOf } from '../options.js';
import { writeJson, writeLines, writeNotes } from '../output.js';
import { connectionArgument, openRules, ruleOptions, skippedLines, unconnectedNotes } from './connection-rules.js';

// As in thin-edge.io; scripts read it.
const noMatchStatus = 2;

/** A rule that matches the topic. */
interface TopicMatch {
  /** Which way the message would go. */
  readonly travel: Travel;
  readonly rule: BridgeRule;
  /** The topic on the other side. */
  readonly target: string;
  /** False when an earlier rule matches too, which is the one that applies. */
  readonly isUsed: boolean;
}

/** `bridge test`: where a message would go. Exit code 0: a rule matches; 2: none does; 1: the topic has wildcards. */
export function testCommand(context: CliContext, parent: Command): void {
  parent
    .command('test')
    .description('show where the bridge sends a message, by its local or remote topic')
    .addArgument(connectionArgument())
    .argument('<topic>', 'the topic, without wildcards')
    .addOption(profileOption())
    .option('--show-all', 'also rules that are not in force, with the reason')
    .action(async (_cloud: string, topic: string, _options, command: Command) => {
      requireConcrete(topic);
      const given = optionsOf(command, ruleOptions);
      const rules = await openRules(context, command);
      writeNotes(context, unconnectedNotes(rules).map(context.typed), given.json);
      const matches = matchesOf(rules.ruleSet, topic);
      if (given.json) writeJson(context, { topic, matches: matches.map(matchDocument) });
      else {
        const skipped = given.showAll || given.debug ? skippedLines(rules) : [];
        writeLines(context, [...skipped, ...matchLines(matches, topic)]);
      }
      if (matches.length === 0) throw new ExitStatus(noMatchStatus);
    });
}

function requireConcrete(topic: string): void {
  if (/[+#]/.test(topic))
    throw new Failure('Wildcard characters (#, +) are not supported.', 'Provide a concrete topic to test against.');
  if (!isTopicName(topic)) throw new Failure('This is no topic (MQTT 5.0 §4.7.3).', 'Write 1 to 65535 bytes of UTF-8.');
}

/** Every rule that matches, each way. A topic may be one of both brokers. */
function matchesOf(ruleSet: RuleSet, topic: string): TopicMatch[] {
  const used = compile(ruleSet);
  const travels = ['outbound', 'inbound'] as const;
  return ruleSet.rules.flatMap((rule) => {
    const alone = compile({ ...ruleSet, rules: [rule] });
    return travels.flatMap((travel): TopicMatch[] => {
      const mapped = alone.mapTopic(travel, topic);
      if (mapped === undefined) return [];
      return [{ travel, rule, target: mapped.topic, isUsed: used.mapTopic(travel, topic)?.rule === rule }];
    });
  });
}

function matchDocument({ travel, rule, target, isUsed }: TopicMatch) {
  const { direction, localFilter: local, remoteFilter: remote, origin } = rule;
  return { travel, target, isUsed, rule: { direction, local, remote, ...origin } };
}

function matchLines(matches: readonly TopicMatch[], topic: string): string[] {
  if (matches.length === 0) return [`No matching bridge rule found for "${topic}"`];
  return matches.flatMap(({ travel, rule, target, isUsed }) => {
    const [from, to] = travel === 'outbound' ? ['local', 'remote'] : ['remote', 'local'];
    const [source, destination] =
      travel === 'outbound' ? [rule.localFilter, rule.remoteFilter] : [rule.remoteFilter, rule.localFilter];
    return [
      `[${from}] ${topic}  ->  [${to}] ${target} (${rule.direction})`,
      ...(source === topic ? [] : [`  matched by rule: ${source} -> ${destination}`]),
      ...(isUsed ? [] : ['  not used: an earlier rule matches too, and the first one applies']),
    ];
  });
}
