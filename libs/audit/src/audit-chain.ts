import { createHash } from 'node:crypto';
import { type AuditRow, auditRow, Problem } from '@sallyport/protocol';
import { canonicalJson } from './canonical-json.js';

/** What happened, before it has its place in the log. Never holds a secret. */
export interface AuditEntry<Action extends string = string>
  extends Pick<AuditRow, 'actor' | 'subject' | 'outcome' | 'details'> {
  readonly action: Action;
}

/** The end of the chain: the next row builds on it. */
export type AuditHead = Pick<AuditRow, 'sequence' | 'hash'>;

/** The head of a log without rows. */
export const emptyLog: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/**
 * Gives entries their places behind the head, in order. `at` is an ISO 8601 time in UTC.
 *
 * @throws Problem `internal`: an entry holds what no store gives back, such as NaN, and would break the chain for good
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

/** Says why a row cannot follow the head; undefined when it does. */
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
