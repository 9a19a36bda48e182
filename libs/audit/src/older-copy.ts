import { type JournalEntry, keyOf, type OwnedEntry } from '@sallyport/journal';
import { type OlderCopy, olderCopy, Problem } from '@sallyport/protocol';
import type { Compare, JsonValue, Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import type { AuditHead } from './audit-chain.js';
import { appendOperations, headKey, placeAfter, readableRow, rowKey, type StoredHead } from './stored-log.js';

/** What was found last, until somebody has acknowledged it. */
export const findingKey = 'journal/older-copy';

// Each try is lost only if another process was faster.
const mostTries = 20;
const takenPrefix = 'journal/taken/';
const takenUntil = z.object({ hash: z.string() });

/** Changes of a journal that a store has forgotten. */
export interface Forgotten {
  /** In the order in which they were made. */
  readonly entries: readonly JournalEntry[];
  /** For each owner the last of its entries. */
  readonly newest: readonly OwnedEntry[];
}

/**
 * Whether the store knows a position of the log: it has this row. If it does not, it is an older copy, or such a copy was
 * continued.
 */
export async function knowsRow(store: Store, { sequence, hash }: AuditHead): Promise<boolean> {
  return readableRow(await store.get(rowKey(sequence)))?.hash === hash;
}

/** Whether what an owner has written until this entry was taken in after an earlier finding. */
export async function isTaken(store: Store, { owner, entry }: OwnedEntry): Promise<boolean> {
  const taken = takenUntil.safeParse((await store.get(takenPrefix + owner))?.value).data;
  return taken?.hash === entry.hash;
}

/** What the store has forgotten. @param origin of the store's log: entries of another log are left out */
export async function forgotten(store: Store, owned: AsyncIterable<OwnedEntry>, origin: string): Promise<Forgotten> {
  const byOwner = new Map<string, JournalEntry[]>();
  const newest = new Map<string, JournalEntry>();
  for await (const { owner, entry } of owned) {
    if (entry.origin !== origin) continue;
    const missing = byOwner.get(owner) ?? [];
    byOwner.set(owner, missing);
    newest.set(owner, entry);
    if (await isTaken(store, { owner, entry })) missing.length = 0;
    else if (!(await knowsRow(store, entry))) missing.push(entry);
  }
  const entries = [...byOwner.values()].flat().toSorted((a, b) => a.sequence - b.sequence);
  return { entries, newest: [...newest].map(([owner, entry]) => ({ owner, entry })) };
}

/** Whether these rows come directly after the head, so that they can be written as they were. */
export function follows(head: AuditHead, { rows }: JournalEntry): boolean {
  const [first] = rows;
  return first !== undefined && first.sequence === head.sequence + 1 && first.previousHash === head.hash;
}

/** One transaction that makes an entry again. */
export interface Replay {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

/** Makes an entry again with its rows, after the head. */
export function exactReplay({ head, revision }: StoredHead, entry: JournalEntry): Replay {
  return {
    compares: [{ key: headKey, revision }, placeAfter(head)],
    operations: [...entry.changes, ...appendOperations(entry.rows, entry)],
  };
}

/**
 * Decides about a change of the journal when the store may have gone another way since.
 *
 * @returns whether the change is made
 */
export type Preference = (change: JournalEntry['changes'][number], stored: JsonValue | undefined) => boolean;

/** Makes the changes of an entry again without its rows, as far as they are preferred. */
export async function looseReplay(store: Store, entry: JournalEntry, isPreferred: Preference): Promise<Replay> {
  const compares: Compare[] = [];
  const operations: Operation[] = [];
  for (const change of entry.changes) {
    const stored = await store.get(keyOf(change));
    if (!isPreferred(change, stored?.value)) continue;
    compares.push({ key: keyOf(change), revision: stored?.revision ?? 0 });
    operations.push(change);
  }
  return { compares, operations };
}

/** What says that entries were taken in: each owner's, until its newest. */
export function takenOperations({ newest }: Forgotten): Operation[] {
  return newest.map(({ owner, entry }) => ({ put: takenPrefix + owner, value: { hash: entry.hash } }));
}

/** The finding that a store holds, if it is readable. */
export async function findingIn(store: Store): Promise<OlderCopy | undefined> {
  return olderCopy.safeParse((await store.get(findingKey))?.value).data;
}

/**
 * Tries until an attempt has a result. Another process may change the store at the same time.
 *
 * @throws Problem `unavailable`: what is not brought back must not count as taken in. The next check begins again.
 */
export async function untilDone<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const done = await attempt();
    if (done !== undefined) return done;
  }
  throw new Problem('unavailable', 'The store is too busy to take back what it has forgotten. Try again.', {
    retryAfterSeconds: 1,
  });
}
