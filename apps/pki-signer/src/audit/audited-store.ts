import { Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import {
  type AuditHead,
  type AuditRecord,
  auditHead,
  auditRecord,
  chained,
  emptyChain,
  follows,
} from './audit-record.js';
import { type AuditedChange, type PendingChange, takeBatch } from './audited-change.js';

export interface AuditPage {
  readonly records: readonly AuditRecord[];
  readonly cursor?: string;
}

/** How far the chain holds; `brokenAt` is the first record that does not fit. */
export interface AuditVerdict {
  readonly records: number;
  readonly brokenAt?: number;
}

const headKey = 'audit-head';
const recordPrefix = 'audit/';
const mostTries = 20;

interface KnownHead {
  readonly head: AuditHead;
  readonly revision: number;
}

/**
 * Changes state and writes the audit log in one transaction, so there is no change without its record and no record of
 * a change that did not happen. Records form a hash chain. Changes of one process wait for one another here, and those
 * that waited together share a transaction; replicas meet at the chain's head and try again.
 */
export class AuditedStore {
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

  /** The log, oldest first. */
  async records(page: { cursor?: string; limit?: number } = {}): Promise<AuditPage> {
    const { entries, cursor } = await this.store.list(recordPrefix, page);
    const records = entries.map(({ value }) => auditRecord.parse(value));
    return cursor === undefined ? { records } : { records, cursor };
  }

  /** Recomputes the whole chain. */
  async verify(): Promise<AuditVerdict> {
    let head = emptyChain;
    let cursor: string | undefined;
    do {
      const page = await this.records({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
      for (const record of page.records) {
        if (!follows(head, record)) return { records: head.sequence, brokenAt: head.sequence + 1 };
        head = record;
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    // Records cut off at the end leave a whole chain: only the head tells.
    const { head: expected } = await this.readHead();
    const isWhole = expected.hash === head.hash;
    return isWhole ? { records: head.sequence } : { records: head.sequence, brokenAt: head.sequence + 1 };
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
    const events = changes.flatMap((change) => change.events);
    const records = chained(known.head, events, this.clock.now().toISOString());
    const last = records.at(-1);
    const head = last === undefined ? known.head : { sequence: last.sequence, hash: last.hash };
    // Unknown until the store has answered.
    this.known = undefined;
    const { committed, revision } = await this.store.transaction(
      [...changes.flatMap(({ compares = [] }) => compares), { key: headKey, revision: known.revision }],
      [
        ...changes.flatMap(({ operations = [] }) => operations),
        ...records.map((record) => ({ put: keyOf(record), value: record })),
        // Last, so that the revision of the transaction is the head's.
        { put: headKey, value: head },
      ],
    );
    if (committed) this.known = { head, revision };
    return committed;
  }

  private async readHead(): Promise<KnownHead> {
    const entry = await this.store.get(headKey);
    if (entry === undefined) return { head: emptyChain, revision: 0 };
    return { head: auditHead.parse(entry.value), revision: entry.revision };
  }
}

/** Sorts as the sequence does: 16 digits hold every safe integer. */
function keyOf({ sequence }: AuditRecord): string {
  return `${recordPrefix}${String(sequence).padStart(16, '0')}`;
}
