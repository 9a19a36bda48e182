import { createHash } from 'node:crypto';
import type { AuditRow } from '@sallyport/protocol';

/** What the signer writes down. `…-intended` precedes the signature it announces. */
export type AuditAction =
  | 'authority-intended'
  | 'authority-issued'
  | 'authority-imported'
  | 'authority-state-changed'
  | 'authority-exported'
  | 'enrolment-created'
  | 'enrolment-withdrawn'
  | 'enrolment-locked'
  | 'certificate-intended'
  | 'certificate-issued'
  | 'request-refused'
  | 'certificate-revoked';

/** What happened, before it has its place in the log. Never holds a secret. */
export interface AuditEntry extends Pick<AuditRow, 'actor' | 'subject' | 'outcome' | 'details'> {
  readonly action: AuditAction;
}

/** The end of the chain: the next row builds on it. */
export type AuditHead = Pick<AuditRow, 'sequence' | 'hash'>;

/** The head of a log without rows. */
export const emptyLog: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/** Gives entries their places behind the head, in order. */
export function sealRows(head: AuditHead, entries: readonly AuditEntry[], at: string): AuditRow[] {
  let { sequence, hash: previousHash } = head;
  return entries.map((entry) => {
    sequence += 1;
    const unsealed = { ...entry, sequence, at, previousHash };
    const row = { ...unsealed, hash: hashOf(unsealed) };
    previousHash = row.hash;
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

function hashOf({ details, ...row }: Omit<AuditRow, 'hash'>): string {
  const { sequence, at, actor, action, subject, outcome, previousHash } = row;
  // Names are sorted, because a store may give an object back in another order.
  const sorted = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([sequence, at, actor, action, subject, outcome, sorted, previousHash]);
  return createHash('sha256').update(text).digest('hex');
}
