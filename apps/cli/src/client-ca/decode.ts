import { decode } from '@sallyport/client-ca';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { certificateInput } from './certificate-input.js';
import { decodedLines } from './decoded-lines.js';

/** `client-ca decode`: what a certificate says. No service is asked, and nothing is changed. */
export function decodeCommand(context: CliContext, parent: Command): void {
  parent
    .command('decode')
    .description('say what a certificate, a bundle or anything else is, and whether it can be added')
    .argument('<file>', 'any file; "-" for standard input')
    .action(async (file: string, _options: unknown, command: Command) => {
      const given = optionsOf(command, globalOptions);
      const bytes = await certificateInput(context, file);
      const decoded = decode({ base64: bytes.toString('base64') }, context.now());
      if (given.json) writeJson(context, decoded);
      else writeLines(context, decodedLines(decoded));
    });
}
