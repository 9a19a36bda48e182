import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis } from '@sallyport/testkit';
import { Twin } from '@sallyport/twin';
import { medianOf } from './process/statistics.js';

/** Other processes slow all sides. So each round measures all, and the median round counts. */
const rounds = 3;
const roundMilliseconds = 3000;
/** Devices that write at the same time, each one write after the other, as over kept-alive connections. */
const writersAtOnce = 500;

interface Result {
  readonly writesPerSecond: number;
  /** Of our process, in microseconds. */
  readonly cpuPerWrite: number;
}

interface Contestant {
  readonly name: string;
  write(device: number, value: string): Promise<unknown>;
  close(): Promise<unknown>;
}

async function measure({ write }: Contestant, devices: number): Promise<Result> {
  let writes = 0;
  const end = performance.now() + roundMilliseconds;
  const before = process.cpuUsage();
  const start = performance.now();
  const writer = async (first: number): Promise<void> => {
    for (let device = first; performance.now() < end; device = (device + writersAtOnce) % devices) {
      await write(device, String(writes % 100));
      writes += 1;
    }
  };
  await Promise.all(Array.from({ length: writersAtOnce }, (_, index) => writer(index)));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { writesPerSecond: writes / seconds, cpuPerWrite: (user + system) / writes };
}

/** What durable writes cost at least: rows of the same size in SQLite, with the same commits, and nothing else. */
function bareSqlite(file: string, writesPerCommit: number): Contestant {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec('CREATE TABLE items (series INTEGER, id INTEGER, value TEXT, PRIMARY KEY (series, id)) WITHOUT ROWID');
  const insert = database.prepare('INSERT INTO items VALUES (?, ?, ?)');
  let id = 0;
  let waiting: (() => void)[] = [];
  const commit = (): void => {
    database.exec('COMMIT');
    for (const resolve of waiting.splice(0)) resolve();
    waiting = [];
  };
  const write = (device: number, value: string): Promise<void> => {
    if (waiting.length === 0) {
      database.exec('BEGIN IMMEDIATE');
      setImmediate(() => waiting.length > 0 && commit());
    }
    id += 1;
    insert.run(device, id, JSON.stringify({ kind: 'reported', values: [['temperature', value]], source }));
    return new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length >= writesPerCommit) commit();
    });
  };
  return { name: `bare SQLite, ${writesPerCommit} a commit`, write, close: async () => database.close() };
}

const source = { protocol: 'https', address: '192.0.2.7' } as const;

function twinOn(name: string, store: Store): Contestant {
  const twin = new Twin(store, { clock: { now: () => new Date() } });
  return {
    name,
    write: (device, value) => twin.write(`device-${device}`, new Map([['temperature', value]]), { source }),
    close: async () => {
      twin.close();
      await store.close();
    },
  };
}

function report(name: string, results: readonly Result[], floor: number): number {
  const rate = medianOf(results.map(({ writesPerSecond }) => writesPerSecond));
  const cpu = medianOf(results.map(({ cpuPerWrite }) => cpuPerWrite));
  const ratio = Number.isNaN(floor) ? '' : `  ${(rate / floor).toFixed(2)} of the bare one`;
  console.log(
    `  ${name.padEnd(32)} ${Math.round(rate).toString().padStart(7)} writes/s  ${cpu.toFixed(1)} µs CPU a write${ratio}`,
  );
  return rate;
}

async function compare(devices: number, directory: string): Promise<void> {
  const redis = await spawnRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', directory] });
  const contestants = [
    bareSqlite(join(directory, 'bare-1.db'), 1),
    bareSqlite(join(directory, 'bare-200.db'), 200),
    twinOn('values in SQLite', await openSqliteStore({ file: join(directory, 'twin.db') })),
    twinOn('values in Redis, fsync always', await openRedisStore({ url: redis.url })),
  ];
  const results = contestants.map((): Result[] => []);
  for (let round = 0; round < rounds; round += 1)
    for (const [index, contestant] of contestants.entries()) results[index]?.push(await measure(contestant, devices));
  console.log(`${devices} devices, ${writersAtOnce} of them write at the same time:`);
  const floor = medianOf((results[1] ?? []).map(({ writesPerSecond }) => writesPerSecond));
  for (const [index, { name }] of contestants.entries())
    report(name, results[index] ?? [], index === 0 ? Number.NaN : floor);
  for (const { close } of contestants) await close();
  await redis.stop();
}

for (const devices of [1000, 50_000]) {
  const directory = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'sallyport-values-'));
  await compare(devices, directory);
  rmSync(directory, { recursive: true });
}
