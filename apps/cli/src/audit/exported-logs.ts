import { readFile } from 'node:fs/promises';
import { type AuditCheckpoint, type AuditRow, auditCheckpoint, auditRow, serviceName } from '@sallyport/protocol';
import { z } from 'zod';
import { Failure } from '../failure.js';

const exportedLine = z.union([
  z.strictObject({ service: serviceName, row: auditRow }),
  z.strictObject({ service: serviceName, checkpoint: auditCheckpoint }),
]);

/** One log of an exported file. */
export interface ExportedLog {
  readonly rows: AuditRow[];
  readonly checkpoints: AuditCheckpoint[];
}

/** A line of an exported file, with its end. */
export function exportedText(line: z.input<typeof exportedLine>): string {
  return `${JSON.stringify(line)}\n`;
}

/**
 * Reads a file that `audit export` wrote.
 *
 * @throws Failure: the file cannot be read, or a line is not of this kind
 */
export async function readExportedLogs(path: string): Promise<Map<string, ExportedLog>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new Failure(`${path} cannot be read.`, 'Give a file that "sallyport audit export" wrote.', { cause });
  });
  const logs = new Map<string, ExportedLog>();
  for (const [index, line] of text.trimEnd().split('\n').entries()) {
    const parsed = parseLine(line);
    if (parsed === undefined) throw new Failure(`Line ${index + 1} of ${path} is no row of an audit log.`, '');
    const log = logs.get(parsed.service) ?? { rows: [], checkpoints: [] };
    if ('row' in parsed) log.rows.push(parsed.row);
    else log.checkpoints.push(parsed.checkpoint);
    logs.set(parsed.service, log);
  }
  return logs;
}

function parseLine(line: string): z.output<typeof exportedLine> | undefined {
  try {
    return exportedLine.parse(JSON.parse(line));
  } catch {
    // The caller names the line.
    return undefined;
  }
}
