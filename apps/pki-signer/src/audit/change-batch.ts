import type { Compare, Operation } from '@sallyport/store';
import type { AuditEntry } from './audit-chain.js';

/** A change of the signer's state, and what the audit log says about it. */
export interface AuditedChange {
  readonly compares?: readonly Compare[];
  readonly operations?: readonly Operation[];
  readonly entries: readonly AuditEntry[];
}

/** A change whose outcome somebody waits for. */
export interface PendingChange {
  readonly change: AuditedChange;
  readonly resolve: (isCommitted: boolean) => void;
  readonly reject: (error: unknown) => void;
}

// A transaction of the store holds 1,000 conditions and changes; an issuance has about twenty.
const mostInBatch = 40;

/**
 * Takes from the front of the queue the changes that can share one transaction: none touches a key that another one
 * writes, so each sees the same state as if it were alone.
 */
export function takeBatch(queue: PendingChange[]): PendingChange[] {
  const written = new Set<string>();
  const touched = new Set<string>();
  const isApart = ({ change }: PendingChange) =>
    keysTouched(change).every((key) => !written.has(key)) && keysWritten(change).every((key) => !touched.has(key));
  let length = 0;
  for (const pending of queue.slice(0, mostInBatch)) {
    if (!isApart(pending)) break;
    for (const key of keysWritten(pending.change)) written.add(key);
    for (const key of keysTouched(pending.change)) touched.add(key);
    length += 1;
  }
  return queue.splice(0, length);
}

function keysWritten({ operations = [] }: AuditedChange): string[] {
  return operations.map((operation) => ('put' in operation ? operation.put : operation.delete));
}

function keysTouched(change: AuditedChange): string[] {
  return [...(change.compares ?? []).map(({ key }) => key), ...keysWritten(change)];
}
