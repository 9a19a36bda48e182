import { quoted } from '@sallyport/config';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { absolutePath, optionsOf } from '../options.js';
import { writeJson, writeNotes } from '../output.js';
import { writeOutputFile } from '../output-file.js';
import { auditOptions, RemoteLog, serviceOption } from './audited-services.js';
import { exportedText } from './exported-logs.js';

const options = auditOptions.extend({ out: z.string().optional() });

/** `audit export`: the logs as JSON, one line for each row and each checkpoint. */
export function exportCommand(context: CliContext, parent: Command): void {
  parent
    .command('export')
    .description('write the audit logs as lines of JSON, to keep them in another place and verify them there')
    .addOption(serviceOption())
    .option('--out <file>', 'write here instead of standard output')
    .action(async (_options: unknown, command: Command) => {
      const { out, ...given } = optionsOf(command, options);
      const lines: string[] = [];
      const write = (line: string) => (out === undefined ? context.stdout.write(line) : lines.push(line));
      let rows = 0;
      for (const log of await RemoteLog.open(context, given)) {
        const { service } = log;
        // First the checkpoints, for rows that are written meanwhile come after them.
        for (const checkpoint of await log.checkpoints()) write(exportedText({ service, checkpoint }));
        for await (const page of log.pages()) {
          for (const row of page) write(exportedText({ service, row }));
          rows += page.length;
        }
      }
      if (out === undefined) return;
      await writeOutputFile(absolutePath(context, out), lines.join(''), 0o600);
      if (given.json) writeJson(context, { output: out, rows });
      writeNotes(
        context,
        [context.typed(`${rows} rows are in ${out}. Check them with: sallyport audit verify --file ${quoted(out)}`)],
        given.json,
      );
    });
}
