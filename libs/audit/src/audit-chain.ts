import { createHash } from 'node:crypto';
import { type AuditRow, auditRow, Problem } from '@sallyport/protocol';
import { canonicalJson } from './canonical-json.js';

/** What happened, without its place in the log. It never holds a secret. */
export interface AuditEntry<Action extends string = string>
  extends Pick<AuditRow, 'actor' | 'subject' | 'outcome' | 'details'> {
  readonly action: Action;
}

/** The last row of the chain; the next row holds its hash. */
export type AuditHead = Pick<AuditRow, 'sequence' | 'hash'>;

/** The head of a log without rows. */
export const emptyLog: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/**
 * Makes rows of entries, in order, after the head. `at` is an ISO 8601 time in UTC.
 *
 * @throws Problem `internal`: an entry holds a value that JSON cannot hold, such as NaN. It would break the chain for
 * ever
 */
export function sealRows(head: AuditHead, entries: readonly AuditEntry[], at: string): AuditRow[] {
  let { sequence, hash: previousHash } = head;
  return entries.map(({ actor, action, subject, outcome, details }) => {
    sequence += 1;
    const unsealed = { sequence, at, actor, action, subject, outcome, details, previousHash };
    const row = { ...unsealed, hash: hashOf(unsealed) };
    previousHash = row.hash;
    const { error } = auditRow.safeParse(row);
    if (error !== undefined) throw new Problem('internal', `The audit row "${action}" is not valid.`, { cause: error });
    return row;
  });
}

/** Why a row cannot follow the head; undefined if it can. */
export function faultOf(head: AuditHead, row: AuditRow): string | undefined {
  const { hash, ...unsealed } = row;
  if (row.sequence !== head.sequence + 1)
    return `row ${row.sequence} stands where row ${head.sequence + 1} belongs; rows were removed or moved`;
  if (row.previousHash !== head.hash) return `row ${row.sequence} does not build on the row before it`;
  return hash === hashOf(unsealed) ? undefined : `row ${row.sequence} was changed after it was written`;
}

function hashOf(row: Omit<AuditRow, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(row)).digest('hex');
}
