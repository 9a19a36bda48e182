import { nameOf } from '@sallyport/config';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { ExitStatus } from '../failure.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines, writeWarnings } from '../output.js';
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
      if (value === undefined) throw unset(context, nameOf(reference));
      if (given.json) writeJson(context, { key: nameOf(reference), value });
      else writeLines(context, [value]);
    });
}

function unset({ stderr, programName }: CliContext, name: string): ExitStatus {
  const hint =
    name === 'device.id'
      ? `device.id is not set, and there is no device certificate. Run: ${programName} cert create --device-id ID`
      : `${name} is not set`;
  stderr.write(`${hint}\n`);
  return new ExitStatus(1);
}
