import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { bundleProgram, TestClock } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSqliteStore, type Store, type WatchEvent } from './index.js';

describe('SQLite store', () => {
  let directory = '';
  let writerProgram = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-sqlite-'));
    const source = fileURLToPath(new URL('./sqlite-writer.fixture.ts', import.meta.url));
    writerProgram = await bundleProgram(source, join(directory, 'writer'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const startWriter = (file: string, mode = 'for ever'): ChildProcess =>
    spawn(process.execPath, [writerProgram, file, mode], { stdio: ['ignore', 'pipe', 'inherit'] });

  it('keeps its file, and what SQLite puts beside it, from other users', async () => {
    const file = join(directory, 'private', 'nested', 'store.db');
    const store = await openSqliteStore({ file });
    await store.put('a', 1);
    const modes = await Promise.all([file, `${file}-wal`, `${file}-shm`, join(file, '..')].map(modeOf));
    expect(modes).toEqual(['600', '600', '600', '700']);
    await store.close();
  });

  it('still has everything after it was closed and opened', async () => {
    const file = join(directory, 'reopened.db');
    const first = await openSqliteStore({ file });
    const revision = await first.put('devices/child01', { state: 'active' });
    await first.close();
    const second = await openSqliteStore({ file });
    expect(await second.get('devices/child01')).toEqual({
      key: 'devices/child01',
      value: { state: 'active' },
      revision,
    });
    expect(await second.put('a', 1)).toBe(revision + 1);
    await second.close();
  });

  it('loses nothing it acknowledged when the writing process is killed', async () => {
    const file = join(directory, 'killed.db');
    for (let round = 0; round < 3; round += 1) {
      const writer = startWriter(file);
      const acknowledged = await linesUntilKilled(writer, 40);
      const store = await openSqliteStore({ file });
      for (const index of acknowledged) {
        expect((await store.get(`acknowledged/${index}`))?.value).toBe(index);
        expect((await store.get(`pair/${index}`))?.value).toBe(index);
      }
      await store.close();
    }
  });

  it('shows a watch what another process wrote within half a second', async () => {
    const file = join(directory, 'two-processes.db');
    const store = await openSqliteStore({ file });
    const controller = new AbortController();
    const events: WatchEvent[] = [];
    const reading = (async () => {
      for await (const event of store.watch('pair/', { signal: controller.signal })) events.push(event);
    })();
    const writer = startWriter(file, 'once');
    await once(writer, 'exit');
    await vi.waitFor(() => expect(events).toHaveLength(1), { timeout: 500, interval: 10 });
    expect(events).toEqual([{ type: 'put', entry: { key: 'pair/0', value: 0, revision: 2 } }]);
    controller.abort();
    await reading;
    await store.close();
  });

  it('waits for another process that holds the write lock, without stopping the event loop', async () => {
    const file = join(directory, 'locked.db');
    const store = await openSqliteStore({ file });
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const put = store.put('a', 1);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 5);
    await expect.poll(() => turns).toBeGreaterThan(5);
    clearInterval(ticking);
    other.exec('COMMIT');
    other.close();
    expect(await put).toBe(1);
    await store.close();
  });

  it('keeps what an older version would delete by the time of day for 400 days of running at least', async () => {
    const file = join(directory, 'layout-1.db');
    const older = new DatabaseSync(file);
    older.exec(`CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, expires_at INTEGER);
      CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
      CREATE TABLE changes (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT, bytes_so_far INTEGER NOT NULL);
      INSERT INTO entries VALUES ('revocation', '1', 1, 1000), ('kept', '2', 2, NULL);
      PRAGMA user_version = 1;`);
    older.close();
    const clock = new TestClock(new Date(0));
    const store = await openSqliteStore({ file, clock: clock.nowMs });
    clock.advance(399 * 86_400);
    await store.put('other', 1);
    expect((await store.get('revocation'))?.value).toBe(1);
    clock.advance(86_400);
    await store.put('other', 2);
    expect(await store.get('revocation')).toBeUndefined();
    expect((await store.get('kept'))?.value).toBe(2);
    await store.close();
  });

  it('counts the time it was open also when that was less than a minute each time', async () => {
    const file = join(directory, 'short-runs.db');
    const clock = new TestClock(new Date(0));
    const run = async (work: (store: Store) => Promise<unknown>) => {
      const store = await openSqliteStore({ file, clock: clock.nowMs });
      const result = await work(store);
      clock.advance(30);
      await store.close();
      return result;
    };
    await run((store) => store.put('a', 1, { ttlSeconds: 80 }));
    await run((store) => store.get('a'));
    expect(await run((store) => store.get('a'))).toMatchObject({ value: 1 });
    expect(await run((store) => store.get('a'))).toBeUndefined();
  });

  it('takes time from the clock it is given', async () => {
    const clock = new TestClock(new Date('2026-01-01T00:00:00Z'));
    const store = await openSqliteStore({ file: join(directory, 'clock.db'), clock: clock.nowMs });
    await store.put('token', 1, { ttlSeconds: 86_400 });
    clock.advance(86_399);
    expect((await store.get('token'))?.value).toBe(1);
    clock.advance(1);
    expect(await store.get('token')).toBeUndefined();
    await store.close();
  });

  it('fails alone when one of the writes that share a commit fails', async () => {
    const store = await openSqliteStore({ file: join(directory, 'shared.db') });
    await store.put('a', 1);
    const outcomes = await Promise.allSettled([
      store.put('b', 1),
      store.put('a', 2, { ifRevision: 0 }),
      store.delete('a', { ifRevision: 99 }),
      store.put('c', 1),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect((await store.list('')).entries.map(({ key, value }) => [key, value])).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
    await store.close();
  });

  it('says why it cannot open its file, and tells no path', async () => {
    const failure = await openSqliteStore({ file: '/dev/null/nested/store.db' }).catch(String);
    expect(failure).toBe('Problem: The SQLite store cannot be opened: ENOTDIR. Check its file and permissions.');
  });

  it('refuses a file that is no store', async () => {
    const file = join(directory, 'garbage.db');
    await writeFile(file, 'this is not a database, but long enough to look at'.repeat(100));
    await expect(openSqliteStore({ file })).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('refuses a store that a newer version wrote', async () => {
    const file = join(directory, 'newer.db');
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 3');
    database.close();
    await expect(openSqliteStore({ file })).rejects.toThrow('written by a newer version of Sallyport (layout 3');
  });

  it('answers "unavailable" after it was closed', async () => {
    const store = await openSqliteStore({ file: join(directory, 'closed.db') });
    await store.close();
    await store.close();
    await expect(store.get('a')).rejects.toMatchObject({ type: 'unavailable' });
    await expect(store.put('a', 1)).rejects.toMatchObject({ type: 'unavailable' });
  });
});

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** Kills the process after so many lines; what it printed is what it had acknowledged. */
async function linesUntilKilled(writer: ChildProcess, count: number): Promise<number[]> {
  let output = '';
  writer.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split('\n').length > count) writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  expect(writer.signalCode).toBe('SIGKILL');
  return output.slice(0, output.lastIndexOf('\n')).split('\n').map(Number);
}
