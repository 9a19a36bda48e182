import { type AuditCheckpoint, type AuditRow, auditCheckpoint, auditRow, Problem } from '@sallyport/protocol';
import type { Compare, Entry, Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type AuditHead, emptyLog } from './audit-chain.js';

/** The head of the chain as it was read, with its revision. A writer must find the same revision. */
export interface StoredHead {
  readonly head: AuditHead;
  /** 0 while the log has no row. */
  readonly revision: number;
}

/** Key of the head of the chain. Each append changes it. */
export const headKey = 'audit/head';

/** Where the signed checkpoints are. */
export const checkpointSeries = 'audit/checkpoints';

const rowPrefix = 'audit/row/';
// Limits how long one page blocks the event loop, because rows are checked as they are read.
const pageSize = 100;

const auditHead = z.strictObject({ sequence: z.number().int().min(0), hash: z.string() });

/** Key of a row. Keys have the order of sequence numbers: every safe integer fits in 16 digits. */
export function rowKey(sequence: AuditRow['sequence']): string {
  return `${rowPrefix}${String(sequence).padStart(16, '0')}`;
}

/** The operations that append rows. The head comes last, so the revision of the transaction is that of the head. */
export function appendOperations(rows: readonly AuditRow[], { sequence, hash }: AuditHead): Operation[] {
  return [
    ...rows.map((row) => ({ put: rowKey(row.sequence), value: row })),
    { put: headKey, value: { sequence, hash } },
  ];
}

/** The head of the chain; undefined if the stored value is no head. */
export async function findHead(store: Store): Promise<StoredHead | undefined> {
  const entry = await store.get(headKey);
  if (entry === undefined) return { head: emptyLog, revision: 0 };
  const head = auditHead.safeParse(entry.value).data;
  return head && { head, revision: entry.revision };
}

/** @throws Problem `internal`: the stored value is no head, so no row can follow */
export async function readHead(store: Store): Promise<StoredHead> {
  const stored = await findHead(store);
  if (stored !== undefined) return stored;
  throw new Problem('internal', 'The head of the audit log is not readable, so no row can follow. Restore a backup.');
}

/** The condition that the place of the next row is free: the log never overwrites a row. */
export function placeAfter({ sequence }: AuditHead): Compare {
  return { key: rowKey(sequence + 1), revision: 0 };
}

/** Whether there is a row after the head. Then somebody removed the head or put an older one there. */
export async function isCutShort(store: Store, { head, revision }: StoredHead): Promise<boolean> {
  if ((await store.get(placeAfter(head).key)) === undefined) return false;
  // Head and rows change together. If the head is a later one now, the row came with it.
  return (await readHead(store)).revision === revision;
}

/** Rows by sequence number. Missing and unreadable rows are left out; the others are still shown. */
export async function readRows(store: Store, sequences: readonly number[]): Promise<AuditRow[]> {
  const entries = await Promise.all(sequences.map((sequence) => store.get(rowKey(sequence))));
  return entries.flatMap((entry) => readableRow(entry) ?? []);
}

/** At most the newest 1000, oldest first. */
export async function readCheckpoints(store: Store): Promise<AuditCheckpoint[]> {
  const items = await store.range(checkpointSeries, { newestFirst: true, limit: 1000 });
  return items.toReversed().flatMap(({ value }) => auditCheckpoint.safeParse(value).data ?? []);
}

/** Everything stored in the place of rows, in the order of sequence numbers. */
export function storedRows(store: Store): AsyncIterable<Entry> {
  return store.listAll(rowPrefix, { pageSize });
}

/** The row of an entry; undefined if there is none, or the stored value is no row. */
export function readableRow(entry: Entry | undefined): AuditRow | undefined {
  return auditRow.safeParse(entry?.value).data;
}
