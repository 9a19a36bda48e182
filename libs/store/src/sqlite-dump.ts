import { DatabaseSync } from 'node:sqlite';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { deserialise } from './limits.js';
import { storeProblem } from './sqlite-write-queue.js';
import type { StoreRecord } from './store-dump.js';

const layout = 2;
const versionRow = z.object({ user_version: z.number() });
const runningRow = z.object({ ms: z.number() });
const entryRow = z.object({ key: z.string(), value: z.string(), due_at: z.number().nullable() });
const itemRow = z.object({ name: z.string(), id: z.number(), value: z.string() });

const entries = 'SELECT key, value, due_at FROM entries WHERE due_at IS NULL OR due_at > ? ORDER BY key';
const items = `SELECT name, id, value FROM series_items JOIN series ON series.number = series_items.series
               ORDER BY series_items.series, id`;

/**
 * Everything in a store, as it was at one moment. Other processes may write meanwhile.
 *
 * @throws Problem `unavailable`: the file is missing, is no store, or is of another version
 */
export async function* dumpSqliteStore(file: string): AsyncGenerator<StoreRecord> {
  const database = opened(file);
  try {
    database.exec('PRAGMA busy_timeout = 5000');
    // In WAL mode a reader sees the moment of its first read until it ends.
    database.exec('BEGIN');
    requireLayout(database);
    yield* records(database);
    database.exec('COMMIT');
  } catch (error) {
    throw storeProblem(error);
  } finally {
    database.close();
  }
}

function* records(database: DatabaseSync): Generator<StoreRecord> {
  const { ms: now } = runningRow.parse(database.prepare('SELECT ms FROM running_time').get());
  for (const row of database.prepare(entries).iterate(now)) {
    const { key, value, due_at: due } = entryRow.parse(row);
    const lifetime = due === null ? {} : { ttlSeconds: (due - now) / 1000 };
    yield { put: key, value: deserialise(value), ...lifetime };
  }
  for (const row of database.prepare(items).iterate()) {
    const { name, id, value } = itemRow.parse(row);
    yield { append: name, at: id, value: deserialise(value) };
  }
}

function opened(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { readOnly: true });
  } catch (cause) {
    throw new Problem('unavailable', 'The SQLite store cannot be opened. Check its file and permissions.', { cause });
  }
}

function requireLayout(database: DatabaseSync): void {
  const { user_version: version } = versionRow.parse(database.prepare('PRAGMA user_version').get());
  if (version === layout) return;
  throw new Problem(
    'unavailable',
    `The SQLite store has layout ${version}, this version of Sallyport reads ${layout}. Start the services once, then try again.`,
  );
}
