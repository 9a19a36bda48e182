// Measures the bridge beside the bridge that Mosquitto has, in the same minutes, with the same clients and the same
// Mosquitto at the other end. `npm run bench -- bridge` takes some ten minutes; `--only 'mutual'` less.
//
// Other processes slow all contestants. So each round measures all of them, one after the other, and the median of the
// ratios counts.
import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { inMemoryChain, type Link, mosquittoChain, oneProcessChain, ownProcessChain } from './bridge/chains.js';
import type { MqttContestant } from './mqtt/contestants.js';
import { credentialsFor } from './mqtt/credentials.js';
import { type Load, type LoadResult, runLoad } from './mqtt/load.js';
import { bundleFixture } from './process/bundle-fixture.js';
import { medianOf } from './process/statistics.js';

interface Scenario {
  readonly name: string;
  readonly qos: 0 | 1;
  /** Of each PUBLISH, in bytes: 100 bytes or 10 KB of payload. */
  readonly packetBytes: number;
  /** Messages under way at once. */
  readonly window: number;
  readonly link: Link;
  /** Messages a second of broker and bridge in one process, where Mosquitto has one. */
  readonly target?: number;
}

const [small, large] = [130, 10_240];

function scenariosWith(credentials: Link['credentials'] & object): Scenario[] {
  const plain = { delayMs: 0, window: 1_000 };
  const mutual = { ...plain, credentials };
  const far = { ...mutual, delayMs: 25, window: 2_000 };
  return [
    { name: 'plain, QoS 1, 100 B', qos: 1, packetBytes: small, window: 1_000, link: plain, target: 1.3 },
    { name: 'plain, QoS 0, 100 B', qos: 0, packetBytes: small, window: 1_000, link: plain },
    { name: 'plain, QoS 1, 10 KB', qos: 1, packetBytes: large, window: 100, link: plain },
    { name: 'mutual, QoS 1, 100 B', qos: 1, packetBytes: small, window: 1_000, link: mutual, target: 1.5 },
    { name: 'mutual, QoS 0, 100 B', qos: 0, packetBytes: small, window: 1_000, link: mutual, target: 2 },
    { name: 'mutual, QoS 1, 10 KB', qos: 1, packetBytes: large, window: 100, link: mutual },
    { name: 'mutual, QoS 0, 10 KB', qos: 0, packetBytes: large, window: 100, link: mutual },
    { name: 'far, mutual, QoS 1, 100 B', qos: 1, packetBytes: small, window: 2_000, link: far, target: 0.97 },
  ];
}

type Rounds = ReadonlyMap<MqttContestant, LoadResult[]>;

async function measure(contestants: readonly MqttContestant[], load: Load): Promise<Rounds> {
  const rounds = new Map<MqttContestant, LoadResult[]>(contestants.map((each) => [each, []]));
  // The first load compiles our JavaScript.
  for (const each of contestants) await runLoad(each, { ...load, measureMs: 1_000 });
  for (let round = 0; round < Number(roundCount); round += 1)
    for (const [each, results] of rounds) results.push(await runLoad(each, load));
  return rounds;
}

function cpuOf({ cpuMicroseconds }: LoadResult): number {
  return cpuMicroseconds.reduce((sum, each) => sum + each, 0);
}

function report({ name, target }: Scenario, rounds: Rounds): void {
  const [peer = []] = rounds.values();
  console.log(`${name}${target === undefined ? '' : ` (target ${target.toFixed(2)})`}`);
  for (const [{ name: who }, results] of rounds) {
    const median = (value: (result: LoadResult) => number) => medianOf(results.map(value));
    const ratio = (value: (result: LoadResult) => number) =>
      results.map((each, index) => value(each) / value(peer[index] ?? each)).toSorted((one, other) => one - other);
    const rates = ratio(({ perSecond }) => perSecond);
    const parts = (results[0]?.cpuMicroseconds ?? []).map((_, index) =>
      median((each) => each.cpuMicroseconds[index] ?? Number.NaN).toFixed(1),
    );
    const sum = (value: (result: LoadResult) => number) => results.reduce((all, each) => all + value(each), 0);
    const faults = [
      [sum(({ lost }) => lost), 'lost'],
      [sum(({ duplicates }) => duplicates), 'twice'],
      [sum(({ outOfOrder }) => outOfOrder), 'out of order'],
    ] as const;
    const found = faults.filter(([count]) => count > 0).map(([count, what]) => `, ${count} ${what}`);
    console.log(
      `  ${who.padEnd(12)} ${median(({ perSecond }) => perSecond).toFixed(0)}/s, ` +
        `p50 ${median(({ p50 }) => p50).toFixed(1)} ms, p99 ${median(({ p99 }) => p99).toFixed(1)} ms, ` +
        `CPU ${parts.join(' + ')} µs; rate ${medianOf(rates).toFixed(2)} (${rates[0]?.toFixed(2)} to ` +
        `${rates.at(-1)?.toFixed(2)}), CPU ${medianOf(ratio(cpuOf)).toFixed(2)}${found.join('')}`,
    );
  }
}

const { only, rounds: roundCount } = parseArgs({
  options: { only: { type: 'string', default: '' }, rounds: { type: 'string', default: '5' } },
}).values;
await using ca = await TestCa.create();
await using work = temporaryDirectory('sallyport-b-');
const client = await ca.issue({ commonName: 'gateway01', extendedKeyUsage: 'clientAuth' });
const script = await bundleFixture('apps/mqtt-bridge/src/plane-process.fixture.ts', work.path);
const credentials = { ...(await credentialsFor(ca, 1)), client };
console.log(
  'From a publisher over two brokers to a subscriber. CPU time of each process a message, the far broker last.',
);
for (const scenario of scenariosWith(credentials).filter(({ name }) => name.includes(only))) {
  await using opened = new AsyncDisposableStack();
  const { link, qos, packetBytes, window } = scenario;
  const contestants = [
    opened.use(await mosquittoChain(link)),
    opened.use(await oneProcessChain(link, script)),
    opened.use(await inMemoryChain(link, script)),
    opened.use(await ownProcessChain(link, script)),
  ];
  report(scenario, await measure(contestants, { publishers: 1, subscribers: 1, pace: { window }, qos, packetBytes }));
}
