import {
  type ConfigKey,
  configKeys,
  describeKey,
  describeSetting,
  type Reading,
  settingsFileNames,
} from '@sallyport/config';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines, writeWarnings } from '../output.js';
import { jsonValueOf } from './json-value.js';
import { openConfigFile } from './open-config-file.js';

const options = globalOptions.extend({ all: z.boolean().default(false), doc: z.boolean().default(false) });

/** `config list`: every setting with the value in force, or what it is for. */
export function listCommand(context: CliContext, parent: Command): void {
  parent
    .command('list')
    .description('print the settings and their values')
    .argument('[filter]', 'only settings whose name contains this', '')
    .option('--all', 'also those without a value')
    .option('--doc', 'print what they are for instead')
    .action(async (filter: string, _options, command: Command) => {
      const given = optionsOf(command, options);
      if (given.doc) return writeDescriptions(context, filter, given.json);
      const { readings, warnings } = await (await openConfigFile(context, given)).list();
      writeWarnings(context, warnings);
      const chosen = readings.filter(({ name, value }) => name.includes(filter) && (given.all || value !== undefined));
      if (given.json) writeJson(context, jsonOf(chosen));
      else writeLines(context, valueLines(chosen));
    });
}

function writeDescriptions(context: CliContext, filter: string, asJson: boolean): void {
  const keys = configKeys.filter((key) => key.includes(filter));
  if (asJson) writeJson(context, Object.fromEntries(keys.map((key) => [key, descriptionOf(key)])));
  else writeLines(context, [keys.map(describeSetting).join('\n\n')]);
}

function descriptionOf(key: ConfigKey) {
  const { doc, type, examples, deprecatedNames, home, isRead } = describeKey(key);
  const file = settingsFileNames[home];
  return { doc, type: type.name, rule: type.rule, examples, deprecatedNames, file, isRead };
}

function jsonOf(readings: readonly Reading[]) {
  return Object.fromEntries(readings.map(({ name, reference, value }) => [name, jsonValueOf(reference.key, value)]));
}

function valueLines(readings: readonly Reading[]): string[] {
  const set = readings.filter(({ value }) => value !== undefined).map(({ name, value }) => `${name}=${value}`);
  const unset = readings.filter(({ value }) => value === undefined).map(({ name }) => `${name}=`);
  return unset.length === 0 ? set : [...set, '', ...unset];
}
