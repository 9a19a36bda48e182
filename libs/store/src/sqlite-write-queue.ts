import type { DatabaseSync } from 'node:sqlite';
import { pause } from '@sallyport/concurrency';
import { hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

// Limits how long one batch blocks the event loop.
const largestBatch = 100;
const deadlineMs = 5000;
const busyRetryMs = 5;

// https://www.sqlite.org/rescode.html: primary result codes.
const sqliteBusy = 5;
const sqliteFull = 13;

interface Job {
  readonly run: () => unknown;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs writes one after the other. Writes that arrive together share a transaction (group commit), because the
 * expensive part of a durable write is its fsync.
 */
export class SqliteWriteQueue {
  private readonly waiting: Job[] = [];
  private draining: Promise<void> | undefined;

  constructor(
    private readonly database: DatabaseSync,
    private readonly listener: { onBegin(): void; onCommit(): void },
  ) {}

  /**
   * Runs a job in a write transaction, and resolves to its result when it is on disk. The job may run more than once,
   * and only the committed run counts. A job that throws changes nothing.
   */
  async run<Result>(job: () => Result): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const outcome: { result?: Result } = {};
    const run = (): void => {
      outcome.result = job();
    };
    this.waiting.push({ run, resolve, reject });
    this.draining ??= this.drain();
    await promise;
    if (!('result' in outcome)) throw new Error('a committed write left no result');
    return outcome.result;
  }

  /** Resolves when no write waits. */
  async idle(): Promise<void> {
    await this.draining;
  }

  private async drain(): Promise<void> {
    // Collect the writes of this turn of the event loop.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      await this.commitBatch(this.waiting.splice(0, largestBatch));
      await new Promise(setImmediate);
    }
    this.draining = undefined;
  }

  private async commitBatch(batch: readonly Job[]): Promise<void> {
    try {
      await this.begin();
    } catch (error) {
      for (const job of batch) job.reject(storeProblem(error));
      return;
    }
    try {
      this.commit(batch);
    } catch (error) {
      // One bad job fails the whole transaction. So run each job alone: only the bad one fails.
      if (batch.length > 1) for (const job of batch) await this.commitBatch([job]);
      else batch[0]?.reject(storeProblem(error));
    }
  }

  private commit(batch: readonly Job[]): void {
    try {
      for (const job of batch) job.run();
      this.database.exec('COMMIT');
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw error;
    }
    for (const job of batch) job.resolve();
    this.listener.onCommit();
  }

  /** Takes the write lock. While another process holds it, waits with a timer. */
  private async begin(): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      try {
        this.database.exec('BEGIN IMMEDIATE');
        this.listener.onBegin();
        return;
      } catch (error) {
        if (resultCode(error) !== sqliteBusy || performance.now() > deadline) throw error;
      }
      await pause(busyRetryMs);
    }
  }
}

/** The problem for a caller if SQLite fails: the file system is full, or the store does not answer. */
export function storeProblem(error: unknown): unknown {
  if (hasCode(error, 'ERR_INVALID_STATE')) return new Problem('unavailable', 'The store is closed.', { cause: error });
  if (!(error instanceof Error) || !hasCode(error, 'ERR_SQLITE_ERROR')) return error;
  if (resultCode(error) === sqliteFull)
    return new Problem('storage-full', 'The store has no room left. Free disk space, then try again.', {
      cause: error,
    });
  return new Problem('unavailable', `The store cannot be used: ${error.message}. Try again.`, { cause: error });
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  // The low byte of an extended code is the primary code.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
