import {
  type AuditCheckpoint,
  type AuditPage,
  type AuditVerdict,
  auditQuery,
  type JournalStatus,
  Problem,
} from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import { type AuditEntry, type AuditHead, sealRows } from './audit-chain.js';
import type { AuditJournal } from './audit-journal.js';
import { type AuditedChange, type PendingChange, takeBatch } from './change-batch.js';
import {
  appendOperations,
  checkpointSeries,
  headKey,
  isCutShort,
  placeAfter,
  readCheckpoints,
  readHead,
  readRows,
  type StoredHead,
} from './stored-log.js';
import { verifyLog } from './verify-log.js';

const mostTries = 20;

/** The time of day. */
export interface AuditLogClock {
  now(): Date;
}

/** What an audit log may tell besides its rows. */
export interface AuditLogOptions {
  /** Where each change is also written, if the service keeps one. */
  readonly journal?: AuditJournal;
  /** Told of each row once it is written; must not throw. */
  readonly onWritten?: (entry: AuditEntry) => void;
}

/**
 * The append-only log of what a service did and refused. It lies below `audit/` in the service's part of the store.
 *
 * A row and the change it describes are written in one transaction. So there is no change without its row, and no row
 * without its change. Changes of one process wait in a queue, and those that wait together share a transaction. If two
 * replicas append at the same time, one of them tries again.
 *
 * Each row holds the hash of the row before. So a changed byte is found, and a row that was removed, moved or added.
 * Somebody who can write the store can still cut off the end of the log, or write the whole log anew, with a head that
 * fits. Only a copy of the head at another place shows that.
 *
 * @typeParam Action the actions the service may write, if it has a list
 * @example const isWritten = await log.commit({ compares, operations, entries: [{ actor, action, subject, outcome,
 *   details }] });
 */
export class AuditLog<Action extends string = string> {
  private readonly waiting: PendingChange[] = [];
  private draining: Promise<void> | undefined;
  private known: StoredHead | undefined;
  /** Resolves when the last change is in the journal. */
  private noted: Promise<void> | undefined;

  /** @param clock for the time of each row */
  constructor(
    private readonly store: Store,
    private readonly clock: AuditLogClock,
    private readonly options: AuditLogOptions = {},
  ) {}

  /**
   * Makes the change and writes its rows, both or neither, in the order of calls.
   *
   * @returns false if a condition of the change does not hold; nothing was written
   * @throws Problem `unavailable`: the store does not answer (the change may have been made or not), or other
   * replicas write so often that each try of this one failed
   * @throws Problem `storage-full`, `invalid-request`: as the store says; nothing was written
   * @throws Problem `internal`: the head of the log is damaged, or the rows are not valid; nothing was written
   */
  commit(change: AuditedChange<Action>): Promise<boolean> {
    return this.enqueue(change);
  }

  private enqueue(change: AuditedChange): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.waiting.push({ change, resolve, reject });
    this.draining ??= this.drain();
    return promise;
  }

  /**
   * Answers `GET /v1/audit`.
   *
   * @param query the query as received; see `auditQuery` in the protocol
   * @throws ZodError: the query is not valid
   */
  async page(query: unknown): Promise<AuditPage> {
    const { after, limit } = auditQuery.parse(query);
    return this.rows(after, limit);
  }

  /** At most `limit` rows after a sequence number, oldest first. Missing and unreadable rows are left out. */
  async rows(after: number, limit: number): Promise<AuditPage> {
    const { sequence: end } = await this.head();
    const last = Math.min(after + limit, end);
    const sequences = Array.from({ length: Math.max(0, last - after) }, (_, index) => after + 1 + index);
    const rows = await readRows(this.store, sequences);
    return last < end ? { rows, after: last } : { rows };
  }

  /** Answers `GET /v1/audit/verify`: recomputes the whole chain. Rows may be appended in the meantime. */
  verify(): Promise<AuditVerdict> {
    return verifyLog(this.store);
  }

  /** How many rows there are, and the hash of the last. */
  async head(): Promise<AuditHead> {
    return (await readHead(this.store)).head;
  }

  /** At most the newest 1000 checkpoints, oldest first. One that is not readable is left out. */
  checkpoints(): Promise<AuditCheckpoint[]> {
    return readCheckpoints(this.store);
  }

  async keepCheckpoint(checkpoint: AuditCheckpoint): Promise<void> {
    await this.store.transaction([], [{ append: checkpointSeries, value: checkpoint }]);
  }

  /** Whether the store was found to be an older copy, and whether the journal can be written. */
  async journalStatus(): Promise<JournalStatus> {
    return (await this.options.journal?.status()) ?? {};
  }

  /** Forgets the finding of an older copy, because somebody knows of it. */
  async acknowledgeOlderCopy(actor: string): Promise<JournalStatus> {
    const before = await this.journalStatus();
    if (this.options.journal !== undefined && before.olderCopy !== undefined) {
      const { foundAt } = before.olderCopy;
      const entry = {
        action: 'older-copy-acknowledged',
        actor,
        subject: 'store',
        outcome: 'succeeded',
        details: { foundAt },
      } as const;
      await this.enqueue({ operations: [this.options.journal.acknowledgement], entries: [entry] });
    }
    return this.journalStatus();
  }

  /** Compares the store with the journal. @throws Problem `unavailable`: the store does not answer */
  async checkJournal(): Promise<void> {
    await this.options.journal?.check();
  }

  private async drain(): Promise<void> {
    // Changes of the same turn of the event loop share a transaction.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.settle(takeBatch(this.waiting));
    this.draining = undefined;
  }

  private async settle(batch: readonly PendingChange[]): Promise<void> {
    try {
      const isCommitted = await this.commitTogether(batch.map(({ change }) => change));
      if (!isCommitted && batch.length > 1) await this.settleOneByOne(batch);
      else void this.answerWhenNoted(batch, isCommitted);
    } catch (error) {
      if (isRefused(error) && batch.length > 1) await this.settleOneByOne(batch);
      else for (const { reject } of batch) reject(error);
    }
  }

  private async answerWhenNoted(batch: readonly PendingChange[], isCommitted: boolean): Promise<void> {
    await this.noted;
    for (const pending of batch) this.answer(pending, isCommitted);
  }

  private answer({ change, resolve }: PendingChange, isCommitted: boolean): void {
    if (isCommitted) for (const entry of change.entries) this.options.onWritten?.(entry);
    resolve(isCommitted);
  }

  /** If one change cannot be made, the others still can. */
  private async settleOneByOne(batch: readonly PendingChange[]): Promise<void> {
    for (const pending of batch) await this.settle([pending]);
  }

  private async commitTogether(changes: readonly AuditedChange[]): Promise<boolean> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const known = this.known ?? (await this.currentHead());
      if (await this.tryCommit(changes, known)) return true;
      const current = await this.currentHead();
      this.known = current;
      if (current.revision !== known.revision) continue;
      if (await isCutShort(this.store, current)) throw damaged();
      return false;
    }
    throw new Problem('unavailable', 'The audit log is too busy. Try again.', { retryAfterSeconds: 1 });
  }

  /** The head of the log. If the store has become an older copy while we run, what it has forgotten is brought back first. */
  private async currentHead(): Promise<StoredHead> {
    const stored = await readHead(this.store);
    if (this.options.journal?.isForgottenBy(stored.head) !== true) return stored;
    await this.options.journal.check();
    return readHead(this.store);
  }

  private async tryCommit(changes: readonly AuditedChange[], known: StoredHead): Promise<boolean> {
    const entries = changes.flatMap((change) => change.entries);
    const rows = sealRows(known.head, entries, this.clock.now().toISOString());
    const { sequence, hash } = rows.at(-1) ?? known.head;
    // Unknown until the store has answered: a failed call may still have changed the store.
    this.known = undefined;
    const { committed, revision } = await this.store.transaction(
      [
        ...changes.flatMap(({ compares = [] }) => compares),
        { key: headKey, revision: known.revision },
        placeAfter(known.head),
      ],
      [...changes.flatMap(({ operations = [] }) => operations), ...appendOperations(rows, { sequence, hash })],
    );
    if (!committed) return false;
    this.known = { head: { sequence, hash }, revision };
    const operations = changes.flatMap((change) => change.operations ?? []);
    // The next transaction need not wait for the journal. Only the callers of this one do.
    this.noted = this.options.journal?.note(operations, rows);
    return true;
  }
}

function damaged(): Problem {
  return new Problem(
    'internal',
    'The audit log holds rows its head does not know of, so no row can follow. Restore a backup.',
  );
}

/** Whether certainly nothing was written. After `unavailable` nobody knows, and a second try may write twice. */
function isRefused(error: unknown): boolean {
  return error instanceof Problem && error.type !== 'unavailable';
}
