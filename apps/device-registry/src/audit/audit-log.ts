import { Injectable } from '@nestjs/common';
import { type AuditPage, type AuditRow, type AuditVerdict, auditRow, Problem } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type Compare, type Entry, type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type AuditEntry, type AuditHead, emptyLog, faultOf, sealRows } from './audit-chain.js';

/** A change of the registry's state, and what the log says about it. */
export interface AuditedChange {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
  readonly entries: readonly AuditEntry[];
}

const headKey = 'audit/head';
const rowPrefix = 'audit/row/';
const mostTries = 20;

const auditHead = z.strictObject({ sequence: z.number().int().min(0), hash: z.string() });

// Changes that wait at the same moment share one transaction, and so one fsync.
const mostTogether = 32;
// The store takes 1000 conditions and changes in one transaction; rows and head come on top.
const mostOperationsTogether = 800;

interface Waiting {
  readonly change: AuditedChange;
  readonly resolve: (isCommitted: boolean) => void;
  readonly reject: (error: unknown) => void;
}

interface StoredHead {
  readonly head: AuditHead;
  readonly revision: number;
}

/**
 * The append-only log of everything the registry did and refused. A row is written in the transaction of the change it
 * tells about; each row holds the hash of the one before, so a flipped byte, a missing row and a moved row all show.
 */
@Injectable()
export class AuditLog {
  private known: StoredHead | undefined;
  private readonly waiting: Waiting[] = [];
  private isDraining = false;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the change and writes its rows, both or neither. Writers of this process go together where they can; those of
   * other replicas meet at the head of the chain and try again.
   *
   * @returns false when a condition of the change itself does not hold; nothing was written
   * @throws Problem `unavailable`, `storage-full`: as the store says; `unavailable` also when other replicas write so
   * much that this one never gets its turn
   */
  commit(change: AuditedChange): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.waiting.push({ change, resolve, reject });
    if (!this.isDraining) void this.drain();
    return promise;
  }

  /** Rows after a sequence number, oldest first. */
  async rows(after: number, limit: number): Promise<AuditPage> {
    const { head } = await this.readHead();
    const last = Math.min(after + limit, head.sequence);
    const numbers = Array.from({ length: Math.max(0, last - after) }, (_, index) => after + 1 + index);
    const entries = await Promise.all(numbers.map((sequence) => this.store.get(rowKey(sequence))));
    // A row that was removed behind our back is no reason to hide the others; verification names it.
    const rows = entries.filter((entry) => entry !== undefined).map(({ value }) => auditRow.parse(value));
    return last < head.sequence ? { rows, after: last } : { rows };
  }

  /** Recomputes the whole chain. */
  async verify(): Promise<AuditVerdict> {
    let head = emptyLog;
    for await (const entry of this.storedRows()) {
      const row = auditRow.safeParse(entry.value);
      const fault = row.success ? (misplaced(entry, row.data) ?? faultOf(head, row.data)) : 'a row is not readable';
      if (fault !== undefined || !row.success) return broken(head, fault ?? 'a row is not readable');
      head = row.data;
    }
    // Rows cut off at the end leave a whole chain behind; only the head tells.
    const { head: written } = await this.readHead();
    if (written.sequence > head.sequence)
      return broken(head, `the last ${written.sequence - head.sequence} rows are gone`);
    if (written.hash !== head.hash) return broken(head, 'the head of the log does not belong to its last row');
    return { intact: true, rows: head.sequence, headHash: head.hash };
  }

  /** How many rows there are, and the hash of the last. */
  async head(): Promise<AuditHead> {
    return (await this.readHead()).head;
  }

  private async drain(): Promise<void> {
    this.isDraining = true;
    while (this.waiting.length > 0) await this.settle(this.nextBatch());
    this.isDraining = false;
  }

  /** From the front of the queue: as many changes as fit into one transaction and do not meet at one key. */
  private nextBatch(): Waiting[] {
    const guarded = new Set<string>();
    let operations = 0;
    const end = this.waiting.slice(0, mostTogether).findIndex(({ change }) => {
      const keys = change.compares.map(({ key }) => key);
      operations += keys.length + change.operations.length;
      if (operations > mostOperationsTogether || keys.some((key) => guarded.has(key))) return true;
      for (const key of keys) guarded.add(key);
      return false;
    });
    // The first always goes, however large: the store has the last word.
    return this.waiting.splice(0, end === -1 ? mostTogether : Math.max(1, end));
  }

  private async settle(batch: readonly Waiting[]): Promise<void> {
    try {
      const isCommitted = await this.commitInTurn(merged(batch.map(({ change }) => change)));
      // One that does not hold keeps the others from being written: each by itself, then.
      if (!isCommitted && batch.length > 1) for (const one of batch) await this.settle([one]);
      else for (const { resolve } of batch) resolve(isCommitted);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private async commitInTurn(change: AuditedChange): Promise<boolean> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const before = this.known ?? (await this.readHead());
      if (await this.tryCommit(change, before)) return true;
      const now = await this.readHead();
      this.known = now;
      if (now.revision === before.revision) return false;
    }
    throw new Problem('unavailable', 'The audit log is too busy. Try again.', { retryAfterSeconds: 1 });
  }

  private async tryCommit({ compares, operations, entries }: AuditedChange, before: StoredHead): Promise<boolean> {
    const rows = sealRows(before.head, entries, this.clock.now().toISOString());
    const { sequence, hash } = rows.at(-1) ?? before.head;
    // Until the outcome is known, so is no head: a failed call may have been carried out.
    this.known = undefined;
    const { committed, revision } = await this.store.transaction(
      [...compares, { key: headKey, revision: before.revision }],
      [
        ...operations,
        ...rows.map((row) => ({ put: rowKey(row.sequence), value: row })),
        // Last, so that the revision of the transaction is the head's.
        { put: headKey, value: { sequence, hash } },
      ],
    );
    if (committed) this.known = { head: { sequence, hash }, revision };
    return committed;
  }

  private async readHead(): Promise<StoredHead> {
    const entry = await this.store.get(headKey);
    if (entry === undefined) return { head: emptyLog, revision: 0 };
    return { head: auditHead.parse(entry.value), revision: entry.revision };
  }

  private async *storedRows(): AsyncGenerator<Entry> {
    let cursor: string | undefined;
    do {
      const page = await this.store.list(rowPrefix, { limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.entries;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }
}

function merged(changes: readonly AuditedChange[]): AuditedChange {
  return {
    compares: changes.flatMap(({ compares }) => compares),
    operations: changes.flatMap(({ operations }) => operations),
    entries: changes.flatMap(({ entries }) => entries),
  };
}

/** Sorts as the number does: 16 digits hold every safe integer. */
function rowKey(sequence: number): string {
  return `${rowPrefix}${String(sequence).padStart(16, '0')}`;
}

function misplaced({ key }: Entry, row: AuditRow): string | undefined {
  return key === rowKey(row.sequence) ? undefined : `row ${row.sequence} was moved to another place`;
}

function broken(head: AuditHead, fault: string): AuditVerdict {
  return { intact: false, rows: head.sequence, brokenAt: head.sequence + 1, fault };
}
