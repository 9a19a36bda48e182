import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openSqliteStore } from '@sallyport/store';
import { bundleProgram, TestClock, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceWrite, Twin } from './index.js';

const kills = 5;
const acknowledgedBeforeKill = 300;
const firstCountOf = (round: number) => round * 1_000_000;

let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-twin-crash-'));
  const source = fileURLToPath(new URL('./twin-writer.fixture.ts', import.meta.url));
  program = await bundleProgram(source, join(directory, 'program'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Device, count and time of each acknowledged write, until the process is killed in the middle of others. */
async function acknowledgedUntilKilled(writer: ChildProcess): Promise<string[]> {
  const lines: string[] = [];
  const { stdout } = writer;
  if (stdout === null) throw new Error('the writer has no output');
  for await (const line of createInterface({ input: stdout })) {
    lines.push(line);
    if (lines.length === acknowledgedBeforeKill) writer.kill('SIGKILL');
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
  return lines;
}

async function openTwin(file: string) {
  const store = await openSqliteStore({ file });
  const twin = new Twin(store, { clock: new TestClock() });
  const close = async () => {
    twin.close();
    await store.close();
  };
  return { twin, store, close };
}

describe('a process that is killed while devices write', () => {
  it('loses no acknowledged write, and has none twice', { timeout: 60_000 }, async () => {
    const file = join(directory, 'store.db');
    const acknowledged: string[] = [];
    for (let round = 0; round < kills; round += 1) {
      const args = [program, file, String(firstCountOf(round))];
      acknowledged.push(...(await acknowledgedUntilKilled(spawn(process.execPath, args))));
    }
    const { twin, close } = await openTwin(file);
    const kept: string[] = [];
    for (let index = 0; index < 20; index += 1) kept.push(...(await writesOf(twin, `device-${index}`)));
    expect(new Set(kept).size).toBe(kept.length);
    expect(acknowledged.filter((line) => !kept.includes(line))).toEqual([]);
    await close();
  });

  it('publishes afterwards what it could not publish', { timeout: 60_000 }, async () => {
    const file = join(directory, 'published.db');
    const acknowledged = await acknowledgedUntilKilled(spawn(process.execPath, [program, file]));
    const { twin, store, close } = await openTwin(file);
    const published = new Set<string>();
    const stop = new AbortController();
    const running = twin.run({
      signal: stop.signal,
      publish: async (write) => void published.add(lineOf(write)),
    });
    await waitFor(async () => (await store.list('announced/')).entries.length === 0, { what: 'an empty outbox' });
    stop.abort();
    await running;
    expect(acknowledged.filter((line) => !published.has(line))).toEqual([]);
    await close();
  });
});

async function writesOf(twin: Twin, device: string): Promise<string[]> {
  const lines: string[] = [];
  let beforeMicros = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const writes = await twin.writes(device, { beforeMicros, limit: 1000 });
    if (writes.length === 0) return lines;
    lines.push(...writes.map(lineOf));
    beforeMicros = writes.at(-1)?.atMicros ?? 0;
  }
}

function lineOf({ deviceId, atMicros, points }: DeviceWrite): string {
  return `${deviceId} ${points[0]?.value} ${atMicros}`;
}
