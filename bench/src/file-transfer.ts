// Measures the CPU time of the server for each request, at each security level, and compares it with nginx on the same
// machine in the same minutes. `npm run bench -- file-transfer` takes some minutes, `--full` more, and
// `--only 'PUT 1 GiB'` less. Files go to a disk, as in production. With `--memory` they go to memory, where the kernel
// takes the smallest part.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import {
  buildService,
  type Contestant,
  type Level,
  levels,
  type Stage,
  startNginx,
  startOurs,
} from './file-transfer/contestants.js';
import { LoadConnection } from './file-transfer/load-connection.js';
import { forgetPeak, type Load, peakMegabytes, type Round, runRound } from './file-transfer/measure.js';
import { medianOf } from './process/statistics.js';

interface Case extends Load {
  readonly size: string;
  readonly rounds: number;
  /** Time to warm up our just-in-time compiler; nginx needs none. */
  readonly warmUpMilliseconds?: number;
}

/** Our targets for plain HTTP and for TLS: capacity for the same CPU time, where nginx is 1. */
const targets: Readonly<Record<string, readonly [plain: number, tls: number]>> = {
  'GET 1 KiB': [0.35, 0.45],
  'GET 1 MiB': [0.6, 0.9],
  'GET 1 GiB': [0.7, 1.1],
  'PUT 1 KiB': [0.4, 0.4],
  'PUT 1 MiB': [0.7, 0.75],
  'PUT 1 GiB': [0.85, 0.8],
};

const mostMegabytes = 150;

function casesFor({ isFull, only }: { isFull: boolean; only: string | undefined }): Case[] {
  const [rounds, milliseconds] = isFull ? [7, 1500] : [3, 300];
  const timed = { rounds, milliseconds };
  const small = { size: '1 KiB', bytes: 1024, connections: 16, warmUpMilliseconds: 2000, ...timed };
  const medium = { size: '1 MiB', bytes: 1024 ** 2, connections: 8, warmUpMilliseconds: 500, ...timed };
  const large = { size: '1 GiB', bytes: 1024 ** 3, connections: 1, rounds: isFull ? 9 : 5, milliseconds: 0 };
  const methods = ['GET', 'PUT'] as const;
  return methods
    .flatMap((method) => [small, medium, large].map((each) => ({ method, ...each })))
    .filter(({ method, size }) => only === undefined || only === `${method} ${size}`);
}

/**
 * Other processes slow all contestants. So each round measures all of them, alternately in forward and reverse order.
 *
 * Before the rounds with single large files, each contestant transfers two files that do not count. On a virtual
 * machine, the first use of new memory costs any program up to two seconds a gigabyte. After these two files, the
 * memory of the present file and of the file that replaces it has been used.
 */
async function runCase(contestants: readonly Contestant[], load: Case): Promise<Map<string, Round[]>> {
  const rounds = new Map<string, Round[]>(contestants.map(({ name }) => [name, []]));
  const { warmUpMilliseconds: milliseconds } = load;
  if (milliseconds !== undefined)
    await Promise.all(
      contestants.filter(({ name }) => name !== 'nginx').map((each) => runRound(each, { ...load, milliseconds })),
    );
  if (load.milliseconds === 0) for (const each of [...contestants, ...contestants]) await runRound(each, load);
  for (let round = 0; round < load.rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const each of order) rounds.get(each.name)?.push(await runRound(each, load));
  }
  return rounds;
}

function rateOf(rounds: readonly Round[], bytes: number): string {
  const perSecond = medianOf(rounds.map(({ requestsPerSecond }) => requestsPerSecond));
  const megabytes = (perSecond * bytes) / 1e6;
  return bytes > 1024 ? `${megabytes.toFixed(0)} MB/s` : `${perSecond.toFixed(0)} /s`;
}

type Measure = (round: Round) => number;

const cpuOf: Measure = ({ cpuMicrosecondsPerRequest }) => cpuMicrosecondsPerRequest;
const kernelOf: Measure = ({ kernelMicrosecondsPerRequest }) => kernelMicrosecondsPerRequest;
const timeOf: Measure = ({ requestsPerSecond }) => 1 / requestsPerSecond;

/** Requests we serve for the same cost as one request of nginx: one ratio for each round, smallest first. */
function ratiosOf(nginx: readonly Round[], ours: readonly Round[], measure: Measure): number[] {
  const amounts = ours.map(measure);
  return nginx.map((round, index) => measure(round) / (amounts[index] ?? 0)).toSorted((one, other) => one - other);
}

function report(level: Level, load: Case, rounds: ReadonlyMap<string, readonly Round[]>): void {
  const { method, size, bytes } = load;
  const nginx = rounds.get('nginx') ?? [];
  const [plain = 0, tls = 0] = targets[`${method} ${size}`] ?? [];
  const target = level === 'plain' ? plain : tls;
  for (const [name, measured] of rounds) {
    if (name === 'nginx') continue;
    const ratios = ratiosOf(nginx, measured, cpuOf);
    const ratio = medianOf(ratios);
    const verdict = name === 'durable' ? '' : `target ${target.toFixed(2)} ${ratio >= target ? 'held' : 'MISSED'}`;
    const cells = [level, `${method} ${size}`, name === 'durable' ? 'to disk' : method === 'PUT' ? 'as nginx' : ''];
    const costs = [nginx, measured]
      .map((each) => medianOf(each.map(cpuOf)))
      .map((cost) => `${cost.toFixed(0)} us`.padStart(11));
    const rates = [nginx, measured].map((each) => rateOf(each, bytes).padStart(10));
    const line = [cells[0]?.padEnd(7), cells[1]?.padEnd(10), cells[2]?.padEnd(9), ...costs, ...rates];
    console.log(`${line.join(' ')}   ${ratio.toFixed(2)}   ${verdict}`);
    if (load.milliseconds === 0) reportParts(nginx, measured, ratios);
  }
}

/** With single large files, a round is one request. The range of the rounds shows how reliable the median is. */
function reportParts(nginx: readonly Round[], ours: readonly Round[], ratios: readonly number[]): void {
  const range = [ratios[0], ratios.at(-1)].map((ratio = Number.NaN) => ratio.toFixed(2)).join(' to ');
  const kernel = [nginx, ours].map((each) => `${(medianOf(each.map(kernelOf)) / 1e6).toFixed(2)} s`);
  const time = medianOf(ratiosOf(nginx, ours, timeOf)).toFixed(2);
  console.log(
    `        rounds ${range}; of the CPU time the kernel's: ${kernel.join(', ours ')}; ratio of time passed ${time}`,
  );
}

function reportPeak(level: Level, { method, size }: Case, megabytes: number): void {
  const verdict = megabytes < mostMegabytes ? 'held' : 'MISSED';
  const cells = [level.padEnd(7), `${method} ${size}`, `peak memory of ours ${megabytes.toFixed(0)} MB`];
  console.log(`${cells.join(' ')}   target ${mostMegabytes} MB ${verdict}`);
}

async function runLevel(
  level: Level,
  { script, stage, cases }: { script: string; stage: Stage; cases: readonly Case[] },
) {
  const nginx = await startNginx(level, stage);
  const ours = await startOurs(script, { level, durability: 'process-end', stage });
  const durable = await startOurs(script, { level, durability: 'power-cut', stage });
  try {
    for (const each of [nginx, ours]) await storeFiles(each, cases);
    for (const load of cases) {
      // The cost of a GET does not depend on durability, and the flush is a small part of a PUT of 1 GiB.
      const contestants = load.method === 'PUT' && load.milliseconds > 0 ? [nginx, ours, durable] : [nginx, ours];
      await forgetPeak(ours.pid);
      report(level, load, await runCase(contestants, load));
      if (load.milliseconds === 0) reportPeak(level, load, await peakMegabytes(ours.pid));
    }
  } finally {
    for (const each of [nginx, ours, durable]) await each.stop();
  }
}

/** Stores the file that GET will request. */
async function storeFiles(contestant: Contestant, cases: readonly Case[]): Promise<void> {
  const connection = await LoadConnection.open(contestant.address);
  for (const { method, bytes } of cases)
    if (method === 'GET')
      await connection.exchange({ method: 'PUT', path: `${contestant.prefix}get-${bytes}`, bodyBytes: bytes });
  connection.close();
}

/** Makes a folder that is removed even when the benchmark fails. */
function workDirectory(parent: string): { readonly path: string } & AsyncDisposable {
  const path = mkdtempSync(join(parent, 'sallyport-b-'));
  const removeNow = (): void => rmSync(path, { recursive: true, force: true });
  process.once('exit', removeNow);
  return { path, [Symbol.asyncDispose]: async () => removeNow() };
}

const {
  full: isFull,
  memory: isInMemory,
  only,
} = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    memory: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
}).values;
const cases = casesFor({ isFull, only });
if (cases.length === 0) throw new Error(`--only ${only}: there is no such case. One is: PUT 1 MiB`);
await using ca = await TestCa.create();
// On some systems /tmp is in memory. /var/tmp is not (FHS §5.15).
await using work = workDirectory(isInMemory ? '/dev/shm' : '/var/tmp');
await using build = temporaryDirectory('sallyport-b-');
const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
const client = await ca.issue({ commonName: 'child01' });
const stage: Stage = { ca, server, client, directory: work.path };
const script = await buildService(build.path);
console.log(
  'CPU of the server for a request, and throughput, of nginx and ours; capacity for the same CPU, nginx = 1.',
);
console.log(
  '"as nginx": whole or absent, flushed when the kernel likes. "to disk": what we do, fdatasync and fsync first.',
);
for (const level of levels) await runLevel(level, { script, stage, cases });
