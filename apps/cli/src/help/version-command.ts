import type { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import type { CliContext } from '../cli-context.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';

/** `version`: the same as `--version`. */
export function versionCommand(context: CliContext, program: Command): void {
  program
    .command('version')
    .description('print the version')
    .action((_options: unknown, command: Command) => {
      if (optionsOf(command, globalOptions).json) writeJson(context, { version: manifest.version });
      else writeLines(context, [manifest.version]);
    });
}
