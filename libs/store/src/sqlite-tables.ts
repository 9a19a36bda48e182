import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { ChangePage, LoggedChange } from './change-feed.js';
import { deserialise, type PageRange } from './limits.js';
import type { Entry } from './store.js';

const entryRow = z.object({ key: z.string(), value: z.string(), revision: z.number() });
const changeRow = z.object({ key: z.string(), value: z.string().nullable(), revision: z.number() });
const logRow = z.object({ oldest: z.number().nullable(), newest: z.number().nullable() });
const markRow = z.object({ revision: z.number(), bytes_so_far: z.number() });
const dueRow = z.object({ key: z.string() });
const runningRow = z.object({ ms: z.number() });
const versionRow = z.object({ data_version: z.number() });

const sweepLimit = 200;
const trimEvery = 64;

/** How much of the change log is kept, for watches that continue from an older position. */
export interface ChangeLogBounds {
  readonly changes: number;
  readonly bytes: number;
}

/** The two tables and all prepared statements. Times are milliseconds of running time. */
export class SqliteTables {
  private readonly statements: Record<keyof typeof statementTexts, StatementSync>;
  /** The newest change, during a write transaction. */
  private newestInTransaction: z.infer<typeof markRow> | undefined;

  constructor(
    database: DatabaseSync,
    private readonly bounds: ChangeLogBounds,
  ) {
    const prepare = (text: string): StatementSync => database.prepare(text);
    this.statements = {
      get: prepare(statementTexts.get),
      list: prepare(statementTexts.list),
      put: prepare(statementTexts.put),
      remove: prepare(statementTexts.remove),
      due: prepare(statementTexts.due),
      newest: prepare(statementTexts.newest),
      bounds: prepare(statementTexts.bounds),
      log: prepare(statementTexts.log),
      changesAfter: prepare(statementTexts.changesAfter),
      oldest: prepare(statementTexts.oldest),
      trim: prepare(statementTexts.trim),
      dataVersion: prepare(statementTexts.dataVersion),
      runningTime: prepare(statementTexts.runningTime),
      noteRunningTime: prepare(statementTexts.noteRunningTime),
    };
  }

  /** Call it at the begin of each write transaction. Until its end, no other process can write. */
  startTransaction(): void {
    this.newestInTransaction = undefined;
  }

  get(key: string, now: number): Entry | undefined {
    const row = this.statements.get.get(key, now);
    return row && entryFrom(row);
  }

  /** Up to `limit + 1` entries. The additional one shows that there is a next page. */
  list({ from, before, limit }: PageRange, now: number): Entry[] {
    return this.statements.list.all(from, before, now, limit + 1).map(entryFrom);
  }

  put(key: string, value: string, dueAt: number | null): number {
    const revision = this.log(key, value);
    this.statements.put.run(key, value, revision, dueAt);
    return revision;
  }

  /** The revision of the deletion; undefined if the key did not exist. */
  remove(key: string): number | undefined {
    const { changes } = this.statements.remove.run(key);
    return Number(changes) === 0 ? undefined : this.log(key, null);
  }

  hasDue(now: number): boolean {
    return this.statements.due.get(now) !== undefined;
  }

  /** The stored value, from any process. */
  runningTimeMs(): number {
    return runningRow.parse(this.statements.runningTime.get()).ms;
  }

  noteRunningTime(ms: number): void {
    this.statements.noteRunningTime.run(ms);
  }

  /** Deletes expired entries. */
  sweep(now: number): void {
    for (const row of this.statements.due.all(now)) this.remove(dueRow.parse(row).key);
  }

  newestRevision(): number {
    return this.newest().revision;
  }

  changesAfter(revision: number, limit: number): ChangePage {
    // Read the bounds last. If another process drops old changes between the two statements, the reader sees a gap.
    const changes = this.statements.changesAfter.all(revision, limit).map(changeFrom);
    const { oldest, newest } = logRow.parse(this.statements.bounds.get());
    return { changes, oldestRevision: oldest ?? 0, newestRevision: newest ?? 0 };
  }

  /** Changes after a commit of another connection. */
  dataVersion(): number {
    return versionRow.parse(this.statements.dataVersion.get()).data_version;
  }

  private log(key: string, value: string | null): number {
    const newest = this.newestInTransaction ?? this.newest();
    const revision = newest.revision + 1;
    const bytes = newest.bytes_so_far + Buffer.byteLength(key) + (value === null ? 0 : Buffer.byteLength(value));
    this.statements.log.run(revision, key, value, bytes);
    this.newestInTransaction = { revision, bytes_so_far: bytes };
    if (revision % Math.min(trimEvery, this.bounds.changes) === 0) this.trim(revision, bytes);
    return revision;
  }

  private newest(): z.infer<typeof markRow> {
    const row = this.statements.newest.get();
    return row === undefined ? { revision: 0, bytes_so_far: 0 } : markRow.parse(row);
  }

  /** Drops the oldest changes beyond the limits. The newest always stays, because it holds the revision counter. */
  private trim(newestRevision: number, newestBytes: number): void {
    const [revision, bytes] = [newestRevision - this.bounds.changes, newestBytes - this.bounds.bytes];
    const oldest = markRow.parse(this.statements.oldest.get());
    if (oldest.revision > revision && oldest.bytes_so_far > bytes) return;
    this.statements.trim.run(newestRevision, revision, bytes);
  }
}

// A limit is a number in the text, or an expression. For a plain parameter, SQLite would plan the statement again for
// each value.
const statementTexts = {
  get: 'SELECT key, value, revision FROM entries WHERE key = ? AND (due_at IS NULL OR due_at > ?)',
  list: `SELECT key, value, revision FROM entries
         WHERE key >= ? AND key < ? AND (due_at IS NULL OR due_at > ?) ORDER BY key LIMIT ? + 0`,
  put: `INSERT INTO entries (key, value, revision, due_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, due_at = excluded.due_at`,
  remove: 'DELETE FROM entries WHERE key = ?',
  due: `SELECT key FROM entries WHERE due_at <= ? ORDER BY due_at LIMIT ${sweepLimit}`,
  newest: 'SELECT revision, bytes_so_far FROM changes ORDER BY revision DESC LIMIT 1',
  bounds: 'SELECT (SELECT min(revision) FROM changes) AS oldest, (SELECT max(revision) FROM changes) AS newest',
  log: 'INSERT INTO changes (revision, key, value, bytes_so_far) VALUES (?, ?, ?, ?)',
  changesAfter: 'SELECT revision, key, value FROM changes WHERE revision > ? ORDER BY revision LIMIT ? + 0',
  oldest: 'SELECT revision, bytes_so_far FROM changes ORDER BY revision LIMIT 1',
  trim: `DELETE FROM changes WHERE revision <= (
           SELECT max(revision)
           FROM (SELECT revision, bytes_so_far FROM changes ORDER BY revision LIMIT ${trimEvery * 2})
           WHERE revision < ? AND (revision <= ? OR bytes_so_far <= ?))`,
  dataVersion: 'PRAGMA data_version',
  runningTime: 'SELECT ms FROM running_time',
  noteRunningTime: 'UPDATE running_time SET ms = ?',
} as const;

function entryFrom(row: unknown): Entry {
  const { key, value, revision } = entryRow.parse(row);
  return { key, value: deserialise(value), revision };
}

function changeFrom(row: unknown): LoggedChange {
  const { key, value, revision } = changeRow.parse(row);
  return { key, revision, text: value };
}
