import { type AuditRow, auditRow, Problem } from '@sallyport/protocol';
import type { Compare, Entry, Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type AuditHead, emptyLog } from './audit-chain.js';

/** The end of the chain as it was read, and the revision a writer must still find. */
export interface StoredHead {
  readonly head: AuditHead;
  /** 0 while the log has no row. */
  readonly revision: number;
}

/** Where the end of the chain is kept; every append changes it. */
export const headKey = 'audit/head';

const rowPrefix = 'audit/row/';
// Bounds how long one page holds the event loop: rows are checked as they are read.
const pageSize = 100;

const auditHead = z.strictObject({ sequence: z.number().int().min(0), hash: z.string() });

/** Where a row is kept. Keys sort as sequence numbers do: 16 digits hold every safe integer. */
export function rowKey(sequence: AuditRow['sequence']): string {
  return `${rowPrefix}${String(sequence).padStart(16, '0')}`;
}

/** What appends rows. The head comes last, so that the revision of the transaction is the head's. */
export function appendOperations(rows: readonly AuditRow[], { sequence, hash }: AuditHead): Operation[] {
  return [
    ...rows.map((row) => ({ put: rowKey(row.sequence), value: row })),
    { put: headKey, value: { sequence, hash } },
  ];
}

/** The end of the chain; undefined when what is stored there is none. */
export async function findHead(store: Store): Promise<StoredHead | undefined> {
  const entry = await store.get(headKey);
  if (entry === undefined) return { head: emptyLog, revision: 0 };
  const head = auditHead.safeParse(entry.value).data;
  return head && { head, revision: entry.revision };
}

/** @throws Problem `internal`: what is stored is no head, so no row can be built on it */
export async function readHead(store: Store): Promise<StoredHead> {
  const stored = await findHead(store);
  if (stored !== undefined) return stored;
  throw new Problem('internal', 'The head of the audit log is not readable, so no row can follow. Restore a backup.');
}

/** The condition that nothing stands where the next row belongs: an append-only log never writes over a row. */
export function placeAfter({ sequence }: AuditHead): Compare {
  return { key: rowKey(sequence + 1), revision: 0 };
}

/** Whether there is a row after the head, which was removed, or put back to an earlier one. */
export async function isCutShort(store: Store, { head, revision }: StoredHead): Promise<boolean> {
  if ((await store.get(placeAfter(head).key)) === undefined) return false;
  // Head and rows change together: when the head has moved on, the row came with it.
  return (await readHead(store)).revision === revision;
}

/** Rows by sequence number. One that is gone or unreadable is left out: no reason to hide the others. */
export async function readRows(store: Store, sequences: readonly number[]): Promise<AuditRow[]> {
  const entries = await Promise.all(sequences.map((sequence) => store.get(rowKey(sequence))));
  return entries.flatMap((entry) => readableRow(entry) ?? []);
}

/** Everything stored where rows belong, in the order of sequence numbers. */
export function storedRows(store: Store): AsyncIterable<Entry> {
  return store.listAll(rowPrefix, { pageSize });
}

/** The row of an entry; undefined when there is none, or what is stored is no row. */
export function readableRow(entry: Entry | undefined): AuditRow | undefined {
  return auditRow.safeParse(entry?.value).data;
}
