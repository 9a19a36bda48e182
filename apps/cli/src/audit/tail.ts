import { pause } from '@sallyport/concurrency';
import type { AuditRow } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { optionsOf } from '../options.js';
import { writeLines } from '../output.js';
import { type AuditedService, auditOptions, RemoteLog, rowCount, serviceOption } from './audited-services.js';
import { exportedText } from './exported-logs.js';

const lookMs = 2_000;
// A fingerprint is shown whole, a certificate is not.
const longestShown = 80;

const options = auditOptions.extend({ lines: z.number(), follow: z.boolean() });

interface LoggedRow {
  readonly service: AuditedService;
  readonly row: AuditRow;
}

/** `audit tail`: the newest rows of all services, in the order of time. */
export function tailCommand(context: CliContext, parent: Command): void {
  parent
    .command('tail')
    .description('show the newest rows of the audit logs')
    .addOption(serviceOption())
    .option('-n, --lines <number>', 'how many rows of each log', rowCount, 20)
    .option('-f, --follow', 'go on with new rows, until Ctrl-C', false)
    .action(async (_options: unknown, command: Command) => {
      const { lines, follow, ...given } = optionsOf(command, options);
      const logs = await RemoteLog.open(context, given);
      const places = await Promise.all(
        logs.map(async (log) => ({ log, after: Math.max(0, (await log.length()) - lines) })),
      );
      const show = async (): Promise<void> => {
        const found = await Promise.all(places.map(newRows));
        for (const { service, row } of found
          .flat()
          .toSorted((one, other) => Date.parse(one.row.at) - Date.parse(other.row.at)))
          if (given.json) context.stdout.write(exportedText({ service, row }));
          else writeLines(context, [lineOf({ service, row })]);
      };
      await show();
      if (follow) await followUntilInterrupted(context, show);
    });
}

/** Ctrl-C is the end that was meant, also in the middle of a look. */
async function followUntilInterrupted({ signal }: CliContext, show: () => Promise<void>): Promise<void> {
  try {
    while (!signal.aborted) {
      await pause(lookMs, { signal });
      if (!signal.aborted) await show();
    }
  } catch (fault) {
    if (!signal.aborted) throw fault;
  }
}

/** The rows that were not there before. */
async function newRows(place: { readonly log: RemoteLog; after: number }): Promise<LoggedRow[]> {
  const rows: LoggedRow[] = [];
  for await (const page of place.log.pages(place.after))
    for (const row of page) {
      rows.push({ service: place.log.service, row });
      place.after = row.sequence;
    }
  return rows;
}

function lineOf({ service, row: { at, actor, action, subject, outcome, details } }: LoggedRow): string {
  const more = Object.entries(details).map(([name, value]) => `${name}=${shortened(String(value))}`);
  return [at, service, outcome === 'refused' ? 'REFUSED' : 'ok', actor, action, subject, ...more].join('  ');
}

function shortened(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}
