import { createHash } from 'node:crypto';
import type { AuditRow } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';

/** What happened, before it has its place in the log. */
export type AuditEntry = Pick<AuditRow, 'actor' | 'action' | 'subject' | 'outcome' | 'details'>;

/** The end of the chain: the next row builds on it. */
export type AuditHead = Pick<AuditRow, 'sequence' | 'hash'>;

/** The head of a log without rows. */
export const emptyLog: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/** Gives entries their places behind the head, in order. */
export function sealRows(head: AuditHead, entries: readonly AuditEntry[], at: string): AuditRow[] {
  const rows: AuditRow[] = [];
  let previous = head;
  for (const entry of entries) {
    const unsealed = { ...entry, sequence: previous.sequence + 1, at, previousHash: previous.hash };
    const row = { ...unsealed, hash: hashOf(unsealed) };
    rows.push(row);
    previous = row;
  }
  return rows;
}

/** Says why a row cannot follow the head; undefined when it does. */
export function faultOf(head: AuditHead, row: AuditRow): string | undefined {
  const { hash, ...unsealed } = row;
  if (row.sequence !== head.sequence + 1)
    return `row ${row.sequence} stands where row ${head.sequence + 1} belongs; rows were removed or moved`;
  if (row.previousHash !== head.hash) return `row ${row.sequence} does not build on the row before it`;
  if (hash !== hashOf(unsealed)) return `row ${row.sequence} was changed after it was written`;
  return undefined;
}

function hashOf(row: Omit<AuditRow, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(row)).digest('hex');
}

/** JSON with the names of every object in order, so that one value has one text, whatever a store did to it. */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.flatMap((name) => member(name, value[name])).join(',')}}`;
}

function member(name: string, value: JsonValue | undefined): string[] {
  return value === undefined ? [] : [`${JSON.stringify(name)}:${canonicalJson(value)}`];
}
