import { type AuditPage, type AuditRow, type AuditVerdict, auditRow, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { z } from 'zod';
import { type AuditHead, emptyLog, faultOf, sealRows } from './audit-chain.js';
import { type AuditedChange, type PendingChange, takeBatch } from './change-batch.js';

const headKey = 'audit/head';
const rowPrefix = 'audit/row/';
const pageSize = 1000;
const mostTries = 20;

const auditHead = z.strictObject({ sequence: z.number().int().min(0), hash: z.string() });

interface KnownHead {
  readonly head: AuditHead;
  readonly revision: number;
}

/**
 * Changes state and writes the audit log in one transaction, so there is no change without its row and no row of a
 * change that did not happen. Rows form a hash chain. Changes of one process wait for one another here, and those that
 * waited together share a transaction; replicas meet at the chain's head and try again.
 */
export class AuditLog {
  private readonly waiting: PendingChange[] = [];
  private draining: Promise<void> | undefined;
  private known: KnownHead | undefined;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns false when one of the change's own conditions does not hold; nothing was written
   * @throws Problem `unavailable`: the store does not answer, or other writers never let this one through
   */
  commit(change: AuditedChange): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, resolve, reject });
      this.draining ??= this.drain();
    });
  }

  /** Rows after a sequence number, oldest first. */
  async rows(after: number, limit: number): Promise<AuditPage> {
    const { head } = await this.readHead();
    const last = Math.min(after + limit, head.sequence);
    const numbers = Array.from({ length: Math.max(last - after, 0) }, (_, index) => after + 1 + index);
    const entries = await Promise.all(numbers.map((sequence) => this.store.get(rowKey(sequence))));
    const rows = entries.flatMap((entry) => (entry === undefined ? [] : [auditRow.parse(entry.value)]));
    return last < head.sequence ? { rows, after: last } : { rows };
  }

  /** Recomputes the whole chain. */
  async verify(): Promise<AuditVerdict> {
    let head = emptyLog;
    let cursor: string | undefined;
    do {
      const page = await this.store.list(rowPrefix, { limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
      for (const { value } of page.entries) {
        const row = auditRow.safeParse(value);
        const fault = row.success ? faultOf(head, row.data) : 'a row is not readable';
        if (!row.success || fault !== undefined) return broken(head, fault ?? 'a row is not readable');
        head = row.data;
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    // Rows cut off at the end leave a whole chain: only the head tells.
    const { head: written } = await this.readHead();
    if (written.hash !== head.hash) return broken(head, 'the end of the log does not belong to its head');
    return { intact: true, rows: head.sequence, headHash: head.hash };
  }

  private async drain(): Promise<void> {
    // Changes made in the same turn of the event loop go together.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.commitBatch(takeBatch(this.waiting));
    this.draining = undefined;
  }

  private async commitBatch(batch: readonly PendingChange[]): Promise<void> {
    try {
      const isCommitted = await this.commitTogether(batch.map(({ change }) => change));
      // One whose conditions fail must not spoil it for the others.
      if (!isCommitted && batch.length > 1) for (const pending of batch) await this.commitBatch([pending]);
      else for (const { resolve } of batch) resolve(isCommitted);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  private async commitTogether(changes: readonly AuditedChange[]): Promise<boolean> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const known = this.known ?? (await this.readHead());
      if (await this.tryCommit(changes, known)) return true;
      const current = await this.readHead();
      this.known = current;
      if (current.revision === known.revision) return false;
    }
    throw new Problem('unavailable', 'The audit log is too busy. Try again.', { retryAfterSeconds: 1 });
  }

  private async tryCommit(changes: readonly AuditedChange[], known: KnownHead): Promise<boolean> {
    const entries = changes.flatMap((change) => change.entries);
    const rows = sealRows(known.head, entries, this.clock.now().toISOString());
    const { sequence, hash } = rows.at(-1) ?? known.head;
    // Unknown until the store has answered: a call that failed may have been carried out.
    this.known = undefined;
    const { committed, revision } = await this.store.transaction(
      [...changes.flatMap(({ compares = [] }) => compares), { key: headKey, revision: known.revision }],
      [
        ...changes.flatMap(({ operations = [] }) => operations),
        ...rows.map((row) => ({ put: rowKey(row.sequence), value: row })),
        // Last, so that the revision of the transaction is the head's.
        { put: headKey, value: { sequence, hash } },
      ],
    );
    if (committed) this.known = { head: { sequence, hash }, revision };
    return committed;
  }

  private async readHead(): Promise<KnownHead> {
    const entry = await this.store.get(headKey);
    if (entry === undefined) return { head: emptyLog, revision: 0 };
    return { head: auditHead.parse(entry.value), revision: entry.revision };
  }
}

/** Sorts as the sequence does: 16 digits hold every safe integer. */
function rowKey(sequence: AuditRow['sequence']): string {
  return `${rowPrefix}${String(sequence).padStart(16, '0')}`;
}

function broken({ sequence }: AuditHead, fault: string): AuditVerdict {
  return { intact: false, rows: sequence, brokenAt: sequence + 1, fault };
}
