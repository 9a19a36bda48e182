// Measures the CPU time of the proxy to Cumulocity for each request, and compares it with nginx (proxy_pass, 64
// connections kept alive) in front of the same HTTPS upstream, in the same minutes. `npm run bench -- proxy` takes about a
// minute, `--full` some, and `--only 'small JSON'` less. `--bare` measures the wire without the proxy's own work.
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { bundleFixture, bundleServiceFixture } from './process/bundle-fixture.js';
import { medianOf } from './process/statistics.js';
import { type Contestant, type Stage, startNginx, startProgram } from './proxy/contestants.js';
import { echoes, type Load, type Round, requests, runRound } from './proxy/measure.js';

interface Case extends Load {
  readonly rounds: number;
  /** Requests for the same CPU time, where nginx is 1. */
  readonly target: number;
  readonly warmUpMilliseconds: number;
}

const largeBytes = 100_000_000;
/** Time that the proxy adds at one connection, over that of nginx. */
const mostAddedMs = 0.15;

function casesFor(isFull: boolean): Case[] {
  const [rounds, milliseconds] = isFull ? [9, 2000] : [5, 700];
  const small = requests({ method: 'GET', path: '/inventory/managedObjects?pageSize=5', bodyBytes: 0 });
  const down = requests({ method: 'GET', path: `/large/${largeBytes}`, bodyBytes: 0 });
  const up = requests({ method: 'PUT', path: '/large', bodyBytes: largeBytes });
  const common = { rounds, milliseconds, warmUpMilliseconds: 3000 };
  return [
    { ...common, name: 'small JSON', connections: 16, target: 0.6, open: small },
    { ...common, name: '100 MB down', connections: 1, target: 0.9, open: down },
    { ...common, name: '100 MB up', connections: 1, target: 0.9, open: up },
    { ...common, name: 'WebSocket', connections: 16, target: 0.85, open: echoes },
  ];
}

/** Other processes slow both. So each round measures both, alternately in forward and reverse order. */
async function runCase(contestants: readonly Contestant[], load: Case): Promise<Map<string, Round[]>> {
  const rounds = new Map<string, Round[]>(contestants.map(({ name }) => [name, []]));
  for (const each of contestants) await runRound(each, { ...load, milliseconds: load.warmUpMilliseconds });
  for (let round = 0; round < load.rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const each of order) rounds.get(each.name)?.push(await runRound(each, load));
  }
  return rounds;
}

const cpuOf = ({ cpuMicroseconds }: Round) => cpuMicroseconds;

function report({ name, target }: Case, nginx: readonly Round[], ours: readonly Round[]): void {
  const costs = ours.map(cpuOf);
  const ratios = nginx.map((round, index) => cpuOf(round) / (costs[index] ?? 0)).toSorted((one, other) => one - other);
  const ratio = medianOf(ratios);
  const cpu = [nginx, ours].map((each) => `${medianOf(each.map(cpuOf)).toFixed(0)} us`.padStart(10));
  const rate = [nginx, ours].map((each) =>
    `${medianOf(each.map(({ perSecond }) => perSecond)).toFixed(1)}/s`.padStart(10),
  );
  const range = [ratios[0], ratios.at(-1)].map((each = Number.NaN) => each.toFixed(2)).join('-');
  const verdict = ratio >= target ? 'held' : 'MISSED';
  console.log(
    `${name.padEnd(12)} ${[...cpu, ...rate].join(' ')}   ${ratio.toFixed(2)} (${range})   target ${target.toFixed(2)} ${verdict}`,
  );
}

/** The time of one request after the other: directly, through nginx, through ours. */
async function reportLatency(contestants: readonly Contestant[], load: Case): Promise<void> {
  const rounds = await runCase(contestants, { ...load, connections: 1 });
  const times = contestants.map(({ name }) => medianOf((rounds.get(name) ?? []).map(({ p50Ms }) => p50Ms)));
  const [nginx = 0, ours = 0] = times;
  const cells = contestants.map(({ name }, index) => `${name} ${times[index]?.toFixed(3)} ms`);
  const verdict = ours - nginx <= mostAddedMs ? 'held' : 'MISSED';
  const difference = `${(ours - nginx).toFixed(3)} ms over nginx`;
  console.log(`p50, 1 connection: ${cells.join(', ')}; ${difference}   target ${mostAddedMs} ms ${verdict}`);
}

const {
  full: isFull,
  bare: isBare,
  only,
} = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    bare: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
}).values;
const cases = casesFor(isFull);
const chosen = cases.filter(({ name }) => only === undefined || only === name);
await using ca = await TestCa.create();
await using build = temporaryDirectory('sallyport-b-');
const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
const stage: Stage = { ca, server };
const folderFor = async (name: string): Promise<string> => {
  const folder = build.file(name);
  await mkdir(folder);
  return folder;
};
const bundled = async (fixture: string) => bundleFixture(`bench/src/proxy/${fixture}`, await folderFor(fixture));
const upstream = await startProgram('upstream', await bundled('upstream.fixture.ts'), {
  certPath: server.certPath,
  keyPath: server.keyPath,
});
const nginx = await startNginx(upstream.port, stage);
const script = isBare
  ? await bundled('bare-proxy.fixture.ts')
  : await bundleServiceFixture('apps/c8y-proxy/src/proxy-process.fixture.ts', await folderFor('service'));
const started = await startProgram('ours', script, { upstreamPort: upstream.port, caPath: ca.certPath });
const ours = { ...started, prefix: isBare ? '' : '/c8y' };
try {
  console.log(
    'CPU of the proxy for a request or message, rate, of nginx and ours; requests for the same CPU, nginx = 1.',
  );
  for (const load of chosen) {
    const rounds = await runCase([nginx, ours], load);
    report(load, rounds.get('nginx') ?? [], rounds.get('ours') ?? []);
  }
  const [small] = chosen;
  if (small?.name === 'small JSON') await reportLatency([nginx, ours], small);
} finally {
  for (const each of [ours, nginx, upstream]) await each.stop();
}
