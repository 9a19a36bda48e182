import { nameOf } from '@sallyport/config';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { ExitStatus } from '../failure.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines, writeWarnings } from '../output.js';
import { jsonValueOf } from './json-value.js';
import { chosenKey, keyArgument } from './key-argument.js';
import { openConfigFile } from './open-config-file.js';

const options = globalOptions.extend({ profile: z.string().optional() });

/** `config get`: the value in force. A setting without one is exit code 1, with nothing on stdout. */
export function getCommand(context: CliContext, parent: Command): void {
  parent
    .command('get')
    .description('print the value of a setting')
    .addArgument(keyArgument())
    .addOption(profileOption())
    .action(async (key: string, _options, command: Command) => {
      const given = optionsOf(command, options);
      const reference = chosenKey(context, { key, profile: given.profile });
      const { value, warnings } = await (await openConfigFile(context, given)).get(reference);
      writeWarnings(context, warnings);
      if (value === undefined) throw unset(context, nameOf(reference), given.json);
      if (given.json) writeJson(context, { key: nameOf(reference), value: jsonValueOf(reference.key, value) });
      else writeLines(context, [value]);
    });
}

/** For people only the reason, as thin-edge.io prints it. */
function unset({ stderr, programName }: CliContext, key: string, asJson: boolean): ExitStatus {
  const what = key === 'device.id' ? 'device.id is not set, and there is no device certificate.' : `${key} is not set`;
  const remedy = key === 'device.id' ? `Run: ${programName} cert create --device-id ID` : '';
  if (asJson) stderr.write(`${JSON.stringify({ error: { what, remedy, type: 'not-set', key } })}\n`);
  else stderr.write(`${[what, remedy].join(' ').trimEnd()}\n`);
  return new ExitStatus(1);
}
