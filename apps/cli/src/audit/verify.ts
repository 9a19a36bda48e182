import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, optionsOf } from '../options.js';
import { labelledLines, writeJson, writeLines } from '../output.js';
import { auditOptions, RemoteLog, serviceOption } from './audited-services.js';
import { readExportedLogs } from './exported-logs.js';
import { LogCheck, type LogVerdict } from './log-check.js';

const options = auditOptions.extend({ file: z.string().optional(), key: z.string().optional() });

/** `audit verify`: whether a row was changed, removed, moved or added. */
export function verifyCommand(context: CliContext, parent: Command): void {
  parent
    .command('verify')
    .description('check every row of the audit logs, and the signatures of their checkpoints')
    .addOption(serviceOption())
    .option('--file <file>', 'a file of "audit export", instead of the logs of the services')
    .option('--key <id>', 'the key that must have signed every checkpoint, as an earlier "audit verify" has named it')
    .action(async (_options: unknown, command: Command) => {
      const { file, key, ...given } = optionsOf(command, options);
      const checks =
        file === undefined ? await checkServices(context, given) : await checkFile(absolutePath(context, file));
      const verdicts = checks.map((check) => check.verdict(key));
      if (given.json) writeJson(context, { logs: verdicts });
      else for (const verdict of verdicts) writeLines(context, linesOf(verdict));
      const faulty = verdicts.find(({ fault }) => fault !== undefined);
      if (faulty === undefined) return;
      throw new Failure(
        `The audit log of ${faulty.service} is not intact: ${faulty.fault}.`,
        'Keep a copy of the store as it is, and compare with an earlier export or a backup.',
      );
    });
}

async function checkServices(context: CliContext, given: z.output<typeof auditOptions>): Promise<LogCheck[]> {
  const logs = await RemoteLog.open(context, given);
  return Promise.all(
    logs.map(async (log) => {
      // First the checkpoints: rows that are written meanwhile come after them.
      const check = new LogCheck(log.service, await log.checkpoints());
      for await (const rows of log.pages()) for (const row of rows) check.add(row);
      return check;
    }),
  );
}

async function checkFile(path: string): Promise<LogCheck[]> {
  return [...(await readExportedLogs(path))].map(([service, { rows, checkpoints }]) => {
    const check = new LogCheck(service, checkpoints);
    for (const row of rows) check.add(row);
    return check;
  });
}

function linesOf({ service, rows, headHash, checkpoints, keyIds, fault }: LogVerdict): string[] {
  return labelledLines([
    ['Log', service],
    ['Verdict', fault === undefined ? 'intact' : `NOT INTACT: ${fault}`],
    ['Rows', String(rows)],
    ['Last hash', headHash],
    ['Checkpoints', String(checkpoints)],
    ['Signed by', keyIds.length === 0 ? '-' : keyIds.join(', ')],
  ]);
}
