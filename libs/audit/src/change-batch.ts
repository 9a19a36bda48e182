import { type Compare, type Operation, placeOf } from '@sallyport/store';
import type { AuditEntry } from './audit-chain.js';

/** A change of a service's state, and its rows in the audit log. */
export interface AuditedChange<Action extends string = string> {
  readonly compares?: readonly Compare[];
  readonly operations?: readonly Operation[];
  readonly entries: readonly AuditEntry<Action>[];
}

/** A change in the queue. */
export interface PendingChange {
  readonly change: AuditedChange;
  readonly resolve: (isCommitted: boolean) => void;
  readonly reject: (error: unknown) => void;
}

// If a condition of one change does not hold, each change of the batch is tried alone. This limits how many.
const mostInBatch = 40;
// The store accepts 1,000 conditions and changes in one transaction. Three are for the end of the log.
const mostSteps = 997;

/**
 * Takes changes from the front of the queue that can share one transaction. None uses a key that an earlier one writes,
 * so each has the same result as alone. The first change is taken whatever its size: the store may refuse it.
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
  return operations.map(placeOf);
}

function keysTouched(change: AuditedChange): string[] {
  return [...(change.compares ?? []).map(placeOf), ...keysWritten(change)];
}

/** How much of the store's limit the change and its rows use. */
function stepsOf({ compares = [], operations = [], entries }: AuditedChange): number {
  return compares.length + operations.length + entries.length;
}
