import type { DatabaseSync } from 'node:sqlite';
import { ChangeFeed, type ChangePage, type ChangeSource } from './change-feed.js';
import {
  checkKey,
  checkLifetime,
  checkPrefix,
  checkTransaction,
  conflict,
  cursorAfter,
  pageRange,
  serialise,
  seriesRange,
} from './limits.js';
import { type MonotonicClock, noteRunningTimeEveryMs, RunningTime } from './running-time.js';
import { openSqliteFile } from './sqlite-file.js';
import { SqliteSeries } from './sqlite-series.js';
import { type ChangeLogBounds, SqliteTables } from './sqlite-tables.js';
import { SqliteWriteQueue, storeProblem } from './sqlite-write-queue.js';
import {
  type Condition,
  type DeleteOptions,
  type Entry,
  type EntryPage,
  type JsonValue,
  type Operation,
  type Page,
  type PutOptions,
  type RangeOptions,
  type SeriesItem,
  Store,
  type TransactionOutcome,
  type WatchEvent,
  type WatchOptions,
} from './store.js';

// Commits of other processes and expired entries are seen within this time; our own commits at once.
const pollIntervalMs = 150;
// How much running time a crash of an idle process loses. Not shorter, because each store is a write to flash memory.
const idleNoteMs = 600_000;

export interface SqliteStoreOptions {
  /** If missing, it is made with mode 0600, and its directory with 0700. */
  readonly file: string;
  /** Clock for lifetimes; not the time of day. Default: the machine's monotonic clock. */
  readonly clock?: MonotonicClock;
  /** How many of the newest changes a watch can resume from. Default 10 000, at most 64 MiB of keys and values. */
  readonly retainedChanges?: number;
}

/**
 * A store in one SQLite file: WAL, `synchronous=FULL`, so a write that resolved survives `kill -9` and loss of power.
 * Several processes of one machine may open the same file; each sees the others' changes within 200 ms.
 *
 * @throws Problem `unavailable`: the file cannot be opened, is no store, or is of a newer version
 */
export async function openSqliteStore({
  file,
  clock = () => performance.now(),
  retainedChanges = 10_000,
}: SqliteStoreOptions): Promise<Store> {
  const database = await openSqliteFile(file);
  return new SqliteStore(database, new RunningTime(clock), { changes: retainedChanges, bytes: 64 * 1024 * 1024 });
}

class SqliteStore extends Store implements ChangeSource {
  private readonly tables: SqliteTables;
  private readonly series: SqliteSeries;
  private readonly feed = new ChangeFeed(this);
  private readonly writes: SqliteWriteQueue;
  private readonly noting: NodeJS.Timeout;

  constructor(
    private readonly database: DatabaseSync,
    private readonly runningTime: RunningTime,
    bounds: ChangeLogBounds,
  ) {
    super();
    this.tables = new SqliteTables(database, bounds);
    this.series = new SqliteSeries(database);
    this.writes = new SqliteWriteQueue(database, {
      onBegin: () => {
        this.tables.startTransaction();
        this.series.startTransaction(this.tables.dataVersion());
        this.runningTime.learn(this.tables.runningTimeMs());
      },
      onCommit: () => {
        this.series.endTransaction();
        this.feed.notify();
      },
    });
    this.runningTime.learn(this.tables.runningTimeMs());
    this.noting = setInterval(() => void this.tidy(), idleNoteMs);
    this.noting.unref();
  }

  override async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    return this.read(() => this.tables.get(key, this.runningTime.ms));
  }

  override async list(prefix: string, page: Page = {}): Promise<EntryPage> {
    const range = pageRange(prefix, page);
    const entries = this.read(() => this.tables.list(range, this.runningTime.ms));
    const last = entries[range.limit - 1];
    if (entries.length <= range.limit || last === undefined) return { entries };
    return { entries: entries.slice(0, range.limit), cursor: cursorAfter(last.key) };
  }

  override async put(key: string, value: JsonValue, { ifRevision, ttlSeconds }: PutOptions = {}): Promise<number> {
    checkKey(key);
    checkLifetime(ttlSeconds);
    const compares = ifRevision === undefined ? [] : [{ key, revision: ifRevision }];
    const operation = { put: key, value, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
    const { committed, revision } = await this.transaction(compares, [operation]);
    if (!committed) throw conflict(key, ifRevision ?? 0);
    return revision;
  }

  override async delete(key: string, { ifRevision }: DeleteOptions = {}): Promise<boolean> {
    checkKey(key);
    return this.writes.run(() => {
      this.sweep();
      if (ifRevision !== undefined && !this.holds({ key, revision: ifRevision })) throw conflict(key, ifRevision);
      const existed = this.tables.get(key, this.runningTime.ms) !== undefined;
      this.tables.remove(key);
      return existed;
    });
  }

  override async transaction(
    compares: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<TransactionOutcome> {
    checkTransaction(compares, operations);
    // Serialise now, because the caller may change its object later.
    const changes = operations.map(serialised);
    return this.writes.run(() => {
      this.sweep();
      if (!compares.every((compare) => this.holds(compare)))
        return { committed: false, revision: this.tables.newestRevision(), appended: [] };
      const appended: number[] = [];
      for (const change of changes) this.apply(change, appended);
      return { committed: true, revision: this.tables.newestRevision(), appended };
    });
  }

  override async range(series: string, options: RangeOptions = {}): Promise<SeriesItem[]> {
    const range = seriesRange(series, options);
    return this.read(() => this.series.range(series, range));
  }

  override watch(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent> {
    checkPrefix(prefix);
    return this.feed.watch(prefix, options);
  }

  override async close(): Promise<void> {
    this.feed.close();
    clearInterval(this.noting);
    // Store it now, not in the next minute: a gateway may run for less than a minute each time.
    if (this.database.isOpen) await this.tidy(0);
    await this.writes.idle();
    if (this.database.isOpen) this.database.close();
  }

  async newestRevision(): Promise<number> {
    return this.read(() => this.tables.newestRevision());
  }

  async changesAfter(revision: number, limit: number): Promise<ChangePage> {
    return this.read(() => this.tables.changesAfter(revision, limit));
  }

  listen(onChange: () => void): () => void {
    let seen = this.tables.dataVersion();
    const poll = setInterval(() => {
      try {
        const version = this.tables.dataVersion();
        if (version !== seen) onChange();
        seen = version;
        this.sweepInBackground();
      } catch {
        // The readers get the same fault when they read, and can report it.
        onChange();
      }
    }, pollIntervalMs);
    poll.unref();
    return () => clearInterval(poll);
  }

  private sweepInBackground(): void {
    if (this.tables.hasDue(this.runningTime.ms)) void this.tidy();
  }

  /** A failure does no harm: expired entries are invisible, and the next round tries again. */
  private async tidy(noteEveryMs = noteRunningTimeEveryMs): Promise<void> {
    await this.writes.run(() => this.sweep(noteEveryMs)).catch(() => undefined);
  }

  /** Deletes expired entries, and stores the running time. */
  private sweep(noteEveryMs = noteRunningTimeEveryMs): void {
    const { ms } = this.runningTime;
    this.tables.sweep(ms);
    if (ms - this.tables.runningTimeMs() >= noteEveryMs) this.tables.noteRunningTime(ms);
  }

  private apply(change: SerialisedOperation, appended: number[]): void {
    if ('put' in change) this.tables.put(change.put, change.text, this.dueOf(change.ttlSeconds));
    else if ('delete' in change) this.tables.remove(change.delete);
    else if ('append' in change) appended.push(this.series.append(change.append, change.text, change.at ?? 0));
    else if ('trim' in change) this.series.trim(change.trim, change);
    else this.series.drop(change.drop);
  }

  private holds(compare: Condition): boolean {
    if ('series' in compare) return this.series.newest(compare.series) === compare.newest;
    const { key, revision } = compare;
    return (this.tables.get(key, this.runningTime.ms)?.revision ?? 0) === revision;
  }

  private dueOf(ttlSeconds: number | undefined): number | null {
    return ttlSeconds === undefined ? null : this.runningTime.ms + Math.ceil(ttlSeconds * 1000);
  }

  private read<Result>(query: () => Result): Result {
    try {
      return query();
    } catch (error) {
      throw storeProblem(error);
    }
  }
}

/** An operation with the JSON text of its value. */
function serialised(operation: Operation) {
  if ('put' in operation) return { ...operation, text: serialise(operation.put, operation.value) };
  if ('append' in operation) {
    const { append, value, at } = operation;
    return { append, text: serialise(append, value), at };
  }
  return operation;
}

type SerialisedOperation = ReturnType<typeof serialised>;
