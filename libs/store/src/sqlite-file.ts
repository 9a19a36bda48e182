import { chmod, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';

const schemaVersion = 2;

// A store of layout 1 deleted by the time of day. What it left stays at least this long, whatever the clock says now:
// longer than certificates usually live.
const shortestCarriedLifetimeMs = 400 * 86_400_000;

// Another process holds the write lock during one commit. SQLite waits up to this time, and that blocks the event loop.
// After it, the write queue waits with a timer.
const busyTimeoutMs = 20;

const schema = `
  CREATE TABLE IF NOT EXISTS entries (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    due_at     INTEGER
  );
  CREATE INDEX IF NOT EXISTS entries_by_due ON entries (due_at) WHERE due_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS running_time (ms INTEGER NOT NULL);
  INSERT INTO running_time SELECT 0 WHERE NOT EXISTS (SELECT * FROM running_time);
  CREATE TABLE IF NOT EXISTS changes (
    revision INTEGER PRIMARY KEY,
    key      TEXT NOT NULL,
    value    TEXT,
    bytes_so_far INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS series (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
  );
  CREATE TABLE IF NOT EXISTS series_items (
    series INTEGER NOT NULL,
    id     INTEGER NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (series, id)
  ) WITHOUT ROWID;
  PRAGMA user_version = ${schemaVersion};
`;

/**
 * Opens the file, and makes it (mode 0600, in a directory of mode 0700) when it is missing.
 *
 * @throws Problem `unavailable`: not a store, made by a newer version, or not accessible
 */
export async function openSqliteFile(file: string): Promise<DatabaseSync> {
  try {
    await makePrivateFile(file);
    const database = new DatabaseSync(file, { timeout: busyTimeoutMs });
    prepareDatabase(database);
    return database;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(
      'unavailable',
      `The SQLite store cannot be opened: ${reasonOf(error)}. Check its file and permissions.`,
      {
        cause: error,
      },
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The message of a file system error contains the path. Its code, such as EACCES, does not.
  const isFromFileSystem = 'syscall' in error && 'code' in error;
  return isFromFileSystem ? String(error.code) : error.message;
}

async function makePrivateFile(file: string): Promise<void> {
  const directory = dirname(file);
  await makeFolder(directory, 0o700);
  const handle = await open(file, 'a', 0o600);
  await handle.close();
  // SQLite gives -wal and -shm the mode of the main file.
  await chmod(file, 0o600);
  // A file is durable only when its directory entry is.
  const directoryHandle = await open(directory, 'r');
  await directoryHandle.sync();
  await directoryHandle.close();
}

function prepareDatabase(database: DatabaseSync): void {
  // If two processes open a new file, the second waits until the first has made it.
  database.exec('PRAGMA busy_timeout = 5000');
  database.exec('PRAGMA journal_mode = WAL');
  // FULL: a commit is on disk before it is acknowledged. With NORMAL a power cut would lose the newest commits.
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA journal_size_limit = 16777216');
  database.exec('BEGIN IMMEDIATE');
  bringUpToDate(database);
  database.exec('COMMIT');
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
}

function bringUpToDate(database: DatabaseSync): void {
  const pragma = database.prepare('PRAGMA user_version').get();
  const { user_version: version } = z.object({ user_version: z.number() }).parse(pragma);
  if (version > schemaVersion)
    throw new Problem(
      'unavailable',
      `The store was written by a newer version of Sallyport (layout ${version}, this one knows ${schemaVersion}). Upgrade this installation.`,
    );
  if (version === 1) countInRunningTime(database);
  database.exec(schema);
}

/** Layout 1 stored the time of day at which an entry expires. Layout 2 stores the running time, which begins at 0. */
function countInRunningTime(database: DatabaseSync): void {
  database.exec('DROP INDEX IF EXISTS entries_by_expiry; ALTER TABLE entries RENAME COLUMN expires_at TO due_at');
  const carryOver = 'UPDATE entries SET due_at = max(due_at - ?, ?) WHERE due_at IS NOT NULL';
  database.prepare(carryOver).run(Date.now(), shortestCarriedLifetimeMs);
}
