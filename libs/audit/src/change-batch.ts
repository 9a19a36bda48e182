import type { Compare, Operation } from '@sallyport/store';
import type { AuditEntry } from './audit-chain.js';

/** A change of a service's state, and what its audit log says about it. */
export interface AuditedChange<Action extends string = string> {
  readonly compares?: readonly Compare[];
  readonly operations?: readonly Operation[];
  readonly entries: readonly AuditEntry<Action>[];
}

/** A change whose outcome somebody waits for. */
export interface PendingChange {
  readonly change: AuditedChange;
  readonly resolve: (isCommitted: boolean) => void;
  readonly reject: (error: unknown) => void;
}

// Bounds how many changes are tried one by one after one of them did not hold.
const mostInBatch = 40;
// The store takes 1,000 conditions and changes in one transaction; the end of the log needs three.
const mostSteps = 997;

/**
 * Takes from the front of the queue the changes that can share one transaction: none touches a key that one before it
 * writes, so each sees what it would see if they came one after the other. The first goes however large it is; the store
 * has the last word on that.
 */
export function takeBatch(queue: PendingChange[]): PendingChange[] {
  const written = new Set<string>();
  const isApart = (change: AuditedChange) => keysTouched(change).every((key) => !written.has(key));
  let [length, steps] = [0, 0];
  for (const { change } of queue.slice(0, mostInBatch)) {
    steps += stepsOf(change);
    if (length > 0 && (steps > mostSteps || !isApart(change))) break;
    for (const key of keysWritten(change)) written.add(key);
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

/** What the change and its rows cost of the store's limit. */
function stepsOf({ compares = [], operations = [], entries }: AuditedChange): number {
  return compares.length + operations.length + entries.length;
}
