import {
  type ConfigFile,
  type ConfigKey,
  describeKey,
  isConfigKey,
  type KeyReference,
  nameOf,
} from '@sallyport/config';
import { entranceDefinition, entranceGroups } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeWarnings } from '../output.js';
import { jsonValueOf } from './json-value.js';
import { chosenKey, keyArgument } from './key-argument.js';
import { openConfigFile } from './open-config-file.js';

const options = globalOptions.extend({ profile: z.string().optional() });

/** `config set`: gives a setting a value. Silent when it worked, unless nothing of Sallyport reads the setting. */
export function setCommand(context: CliContext, parent: Command): void {
  changeCommand(context, parent, {
    name: 'set',
    description: 'give a setting a value',
    change: (file, reference, value) => file.set(reference, value),
  });
}

/** `config add`: adds items to a list; sets a setting that is no list. */
export function addCommand(context: CliContext, parent: Command): void {
  changeCommand(context, parent, {
    name: 'add',
    description: 'add items, separated by commas, to a setting that is a list',
    change: (file, reference, value) => file.add(reference, value),
  });
}

/** `config remove`: removes items from a list; unsets a setting that is no list if it has that value. */
export function removeCommand(context: CliContext, parent: Command): void {
  changeCommand(context, parent, {
    name: 'remove',
    description: 'remove items, separated by commas, from a setting that is a list',
    change: (file, reference, value) => file.remove(reference, value),
  });
}

/** `config unset`: takes a setting out of the file, so that its default applies again. */
export function unsetCommand(context: CliContext, parent: Command): void {
  parent
    .command('unset')
    .description('take a setting out of the file')
    .addArgument(keyArgument())
    .addOption(profileOption())
    .action(async (key: string, _options, command: Command) => {
      const given = optionsOf(command, options);
      const reference = chosenKey(context, { key, profile: given.profile });
      const file = await openConfigFile(context, given);
      await file.unset(reference);
      if (given.json) await writeReading(context, file, reference);
    });
}

interface Change {
  readonly name: string;
  readonly description: string;
  readonly change: (file: ConfigFile, reference: KeyReference, value: string) => Promise<void>;
}

function changeCommand(context: CliContext, parent: Command, { name, description, change }: Change): void {
  parent
    .command(name)
    .description(description)
    .addArgument(keyArgument())
    .argument('<value>', 'the value')
    .addOption(profileOption())
    .action(async (key: string, value: string, _options, command: Command) => {
      const given = optionsOf(command, options);
      const reference = chosenKey(context, { key, profile: given.profile });
      const file = await openConfigFile(context, given);
      await change(file, reference, value);
      writeWarnings(context, [...unreadNotes(reference), ...(await twinNotes(context, file, reference))]);
      if (given.json) await writeReading(context, file, reference);
    });
}

/** What is in force now: an environment variable may say something else than the file. */
async function writeReading(context: CliContext, file: ConfigFile, reference: KeyReference): Promise<void> {
  const { value } = await file.get(reference);
  writeJson(context, { key: nameOf(reference), value: jsonValueOf(reference.key, value) });
}

/** A warning when a listener moves to another port and its clients on this machine do not. */
async function twinNotes({ programName }: CliContext, file: ConfigFile, reference: KeyReference): Promise<string[]> {
  const twin = clientPortOf(reference.key);
  if (twin === undefined) return [];
  const [bound, used] = [await file.get(reference), await file.get({ ...reference, key: twin })];
  if (bound.value === used.value || bound.value === '0') return [];
  const name = nameOf({ ...reference, key: twin });
  return [
    `${name} stays ${used.value}, so clients of this machine go there. Run: ${programName} config set ${name} ${bound.value}`,
  ];
}

function clientPortOf(key: ConfigKey): ConfigKey | undefined {
  const group = entranceGroups.find((each) => `${each}.bind.port` === key);
  const twin = group === undefined ? undefined : entranceDefinition(group).clientPortKey;
  return twin !== undefined && isConfigKey(twin) ? twin : undefined;
}

/** A warning for a setting that nothing in Sallyport reads. */
function unreadNotes(reference: KeyReference): string[] {
  if (describeKey(reference.key).isRead) return [];
  return [`${nameOf(reference)} is kept for thin-edge.io. Nothing of Sallyport reads it.`];
}
