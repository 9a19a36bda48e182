import type { AuditVerdict } from '@sallyport/protocol';
import type { Entry, Store } from '@sallyport/store';
import { type AuditHead, emptyLog, faultOf } from './audit-chain.js';
import { findHead, readableRow, rowKey, storedRows } from './stored-log.js';

/** Recomputes the whole chain. Rows may be appended in the meantime. */
export async function verifyLog(store: Store): Promise<AuditVerdict> {
  const before = await findHead(store);
  let last = emptyLog;
  for await (const entry of storedRows(store)) {
    const row = readableRow(entry);
    if (row === undefined) return broken(last, 'a row is not readable');
    const fault = misplaced(entry, row) ?? faultOf(last, row);
    if (fault !== undefined) return broken(last, fault);
    last = row;
  }
  const after = await findHead(store);
  const fault = endFault(last, before?.head, after?.head);
  return fault === undefined ? { intact: true, rows: last.sequence, headHash: last.hash } : broken(last, fault);
}

/**
 * If rows were cut off at the end, the rest is still a correct chain. Only the head, read before and after, shows it.
 */
function endFault(last: AuditHead, before: AuditHead | undefined, after: AuditHead | undefined): string | undefined {
  if (before === undefined || after === undefined) return 'the head of the log is not readable';
  const missing = before.sequence - last.sequence;
  if (missing > 0) return `the last ${missing} rows are gone`;
  // Rows that were appended after the last page was read belong to the next verification.
  if (after.sequence > last.sequence) return undefined;
  return after.hash === last.hash ? undefined : 'the head of the log does not belong to its last row';
}

function misplaced({ key }: Entry, { sequence }: AuditHead): string | undefined {
  return key === rowKey(sequence) ? undefined : `row ${sequence} was moved to another place`;
}

function broken({ sequence }: AuditHead, fault: string): AuditVerdict {
  return { intact: false, rows: sequence, brokenAt: sequence + 1, fault };
}
