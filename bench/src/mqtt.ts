// Measures the MQTT brokers beside Mosquitto, on the same machine in the same minutes, with the same clients.
// `npm run bench -- mqtt` takes some minutes; `--part embedded` and `--only 'fan-out'` less.
//
// Other processes slow both sides. So each round measures both, one after the other, and the median of the ratios counts.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import {
  type MqttContestant,
  recordBytes,
  startDoor,
  startEmbedded,
  startMosquitto,
  startMutualMosquitto,
} from './mqtt/contestants.js';
import { credentialsFor } from './mqtt/credentials.js';
import { type Load, type LoadResult, runLoad } from './mqtt/load.js';
import { openMany } from './mqtt/many-clients.js';
import { bundleFixture } from './process/bundle-fixture.js';
import { residentKilobytes } from './process/memory.js';
import { medianOf } from './process/statistics.js';

interface Scenario {
  readonly name: string;
  readonly load: Load;
  /** Messages we deliver in the time in which Mosquitto delivers one. */
  readonly target: number;
}

const pointToPoint = { publishers: 1, subscribers: 1, pace: { window: 1_000 } } as const;
const fanOut = { publishers: 1, subscribers: 100, pace: { window: 100 } } as const;

const embeddedScenarios: readonly Scenario[] = [
  { name: 'point to point, QoS 1', load: { ...pointToPoint, qos: 1 }, target: 1 },
  { name: 'point to point, QoS 1, durable session', load: { ...pointToPoint, qos: 1, isDurable: true }, target: 1 },
  { name: 'point to point, QoS 0', load: { ...pointToPoint, qos: 0 }, target: 1 },
  { name: 'fan-out to 100, QoS 1', load: { ...fanOut, qos: 1 }, target: 1 },
  { name: 'fan-out to 100, QoS 0', load: { ...fanOut, qos: 0 }, target: 1 },
];

interface Paired {
  readonly peer: LoadResult;
  readonly ours: LoadResult;
}

async function measure(contestants: readonly [MqttContestant, MqttContestant], load: Load): Promise<Paired[]> {
  const [peer, ours] = contestants;
  // The first load compiles our JavaScript.
  await runLoad(ours, { ...load, warmUpMs: 1_000, measureMs: 2_000 });
  const rounds: Paired[] = [];
  for (let round = 0; round < roundCount; round += 1)
    rounds.push({ peer: await runLoad(peer, load), ours: await runLoad(ours, load) });
  return rounds;
}

function median(rounds: readonly Paired[], value: (pair: Paired) => number): number {
  return medianOf(rounds.map(value));
}

/** Says so when a server lost a message, or sent it twice or too early: then its rate is worth nothing. */
function faultsOf(results: readonly LoadResult[]): string {
  const sum = (count: (result: LoadResult) => number) => results.reduce((total, each) => total + count(each), 0);
  const counts = { lost: sum(({ lost }) => lost), twice: sum(({ duplicates }) => duplicates) };
  const all = Object.entries({ ...counts, 'out of order': sum(({ outOfOrder }) => outOfOrder) });
  const faults = all.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
  return faults.length === 0 ? '' : `  ${faults.join(', ')}`;
}

function totalCpu({ cpuMicroseconds }: LoadResult): number {
  return cpuMicroseconds.reduce((sum, each) => sum + each, 0);
}

/** Share of one processor that the server uses. Well below 1, the clients or the machine decide the rate. */
function busyShareOf(result: LoadResult): number {
  return (totalCpu(result) * result.perSecond) / 1e6;
}

function reportRates({ name, target }: Scenario, rounds: readonly Paired[]): void {
  const ratio = (pair: Paired) => pair.ours.perSecond / pair.peer.perSecond;
  const ratios = rounds.map(ratio).toSorted((one, other) => one - other);
  const side = (of: (pair: Paired) => LoadResult) =>
    [
      `${median(rounds, (pair) => of(pair).perSecond).toFixed(0)}/s`,
      `${median(rounds, (pair) => totalCpu(of(pair))).toFixed(1)} µs`,
      `busy ${(100 * median(rounds, (pair) => busyShareOf(of(pair)))).toFixed(0)} %`,
    ].join(' ');
  const cpu = median(rounds, (pair) => totalCpu(pair.ours) / totalCpu(pair.peer)).toFixed(2);
  const middle = medianOf(ratios);
  const verdict = `target ${target.toFixed(2)} ${middle >= target ? 'held' : 'MISSED'}`;
  console.log(
    `${name.padEnd(42)} ${side(({ peer }) => peer).padEnd(30)} ${side(({ ours }) => ours).padEnd(30)} ` +
      `${middle.toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)}), CPU ${cpu}  ${verdict}` +
      `${faultsOf(rounds.map(({ peer }) => peer))} |${faultsOf(rounds.map(({ ours }) => ours))}`,
  );
}

async function compareEmbedded(script: string): Promise<void> {
  console.log(`Messages a second, and CPU time of the broker for each: Mosquitto, embedded broker, ratio`);
  for (const scenario of embeddedScenarios.filter(({ name }) => name.includes(only))) {
    await using mosquitto = await startMosquitto();
    await using embedded = await startEmbedded(script);
    reportRates(scenario, await measure([mosquitto, embedded], scenario.load));
  }
}

interface DoorScenario {
  readonly name: string;
  readonly load: Load;
  /** CPU time of door and broker together, beside Mosquitto alone. */
  readonly target: number;
}

const fullReads = { publishers: 1, pace: { window: 1_000 }, packetBytes: recordBytes } as const;
const trickling = { publishers: 100, pace: { perSecond: 4_000 }, packetBytes: recordBytes } as const;

const doorScenarios: readonly DoorScenario[] = [
  { name: 'one publisher, QoS 0', load: { ...fullReads, qos: 0, subscribers: 0 }, target: 1.2 },
  { name: 'one publisher, QoS 1', load: { ...fullReads, qos: 1, subscribers: 0 }, target: 1.2 },
  { name: 'one publisher, QoS 1, a subscriber behind', load: { ...fullReads, qos: 1, subscribers: 1 }, target: 1.2 },
  { name: '100 publishers, 40/s each, QoS 0', load: { ...trickling, qos: 0, subscribers: 0 }, target: 1.5 },
  { name: '100 publishers, 40/s each, QoS 1', load: { ...trickling, qos: 1, subscribers: 0 }, target: 1.5 },
  {
    name: '100 publishers, 40/s each, QoS 1, a subscriber behind',
    load: { ...trickling, qos: 1, subscribers: 1 },
    target: 1.5,
  },
];
/** CPU time of the broker behind the door, beside Mosquitto with its own TLS. */
const brokerTarget = 0.5;
const addedMsTarget = 0.2;
const idleWarmUp = 200;
const idleSettleMs = 3_000;

function verdictOf(value: number, most: number): string {
  return `${value.toFixed(2)} (target ${most.toFixed(2)} ${value <= most ? 'held' : 'MISSED'})`;
}

function reportCosts({ name, target }: DoorScenario, rounds: readonly Paired[]): void {
  const behind = ({ ours }: Paired) => ours.cpuMicroseconds[0] ?? Number.NaN;
  const door = ({ ours }: Paired) => ours.cpuMicroseconds[1] ?? Number.NaN;
  const alone = ({ peer }: Paired) => totalCpu(peer);
  const microseconds = (value: (pair: Paired) => number) => median(rounds, value).toFixed(1);
  console.log(
    `${name.padEnd(54)} ${microseconds(alone)} µs alone, ${microseconds(door)} door + ${microseconds(behind)} behind; ` +
      `behind ${verdictOf(
        median(rounds, (pair) => behind(pair) / alone(pair)),
        brokerTarget,
      )}, ` +
      `both ${verdictOf(
        median(rounds, ({ peer, ours }) => totalCpu(ours) / totalCpu(peer)),
        target,
      )}, ` +
      `rate ${median(rounds, ({ peer, ours }) => ours.perSecond / peer.perSecond).toFixed(2)}` +
      `${faultsOf(rounds.map(({ peer }) => peer))} |${faultsOf(rounds.map(({ ours }) => ours))}`,
  );
}

function reportLatency(rounds: readonly Paired[]): void {
  const [alone, door] = [median(rounds, ({ peer }) => peer.p50), median(rounds, ({ ours }) => ours.p50)];
  const added = median(rounds, ({ peer, ours }) => ours.p50 - peer.p50);
  const late = median(rounds, ({ ours }) => ours.p99);
  console.log(
    `p50 at 1,000 messages a second: ${alone.toFixed(2)} ms alone, ${door.toFixed(2)} ms with the door, ` +
      `added ${verdictOf(added, addedMsTarget)}; p99 ${median(rounds, ({ peer }) => peer.p99).toFixed(1)} and ${late.toFixed(1)} ms`,
  );
}

async function compareDoor(script: string): Promise<void> {
  await using ca = await TestCa.create();
  const credentials = await credentialsFor(ca, 100);
  const contest = async (load: Load): Promise<Paired[]> => {
    await using alone = await startMutualMosquitto(credentials);
    await using door = await startDoor(credentials, script);
    return await measure([alone, door], load);
  };
  console.log('CPU time for each message: Mosquitto with its own mutual TLS, and the door in front of Mosquitto');
  for (const scenario of doorScenarios.filter(({ name }) => name.includes(only)))
    reportCosts(scenario, await contest(scenario.load));
  if ('latency'.includes(only))
    reportLatency(await contest({ publishers: 1, subscribers: 1, qos: 1, pace: { perSecond: 1_000 } }));
}

const idleTarget = 60;

/** Opens so many connections, which then say nothing, and returns what each costs the server in KiB. */
async function idleKilobytes(contestant: MqttContestant, count: number): Promise<number> {
  const resident = () => contestant.pids.reduce((sum, pid) => sum + residentKilobytes(pid), 0);
  const keepAliveSeconds = 1_800;
  // Some first, so that what every server needs once is not counted.
  const some = await openMany(contestant, { count: idleWarmUp, keepAliveSeconds });
  const before = resident();
  const clients = await openMany(contestant, { count, first: idleWarmUp, keepAliveSeconds });
  await sleep(idleSettleMs);
  const kilobytes = (resident() - before) / count;
  const gone = clients.filter(({ socket }) => socket.destroyed).length;
  if (gone > 0) throw new Error(`${contestant.name} closed ${gone} of ${count} idle connections`);
  for (const client of [...some, ...clients]) client.cut();
  return kilobytes;
}

async function compareIdle(script: string): Promise<void> {
  await using ca = await TestCa.create();
  const count = Number(connections);
  const credentials = await credentialsFor(ca, count + idleWarmUp);
  const contest: Readonly<Record<string, () => Promise<MqttContestant>>> = {
    'Mosquitto, plain': startMosquitto,
    'embedded broker, plain': () => startEmbedded(script),
    'Mosquitto, mutual TLS': () => startMutualMosquitto(credentials),
    'embedded broker, mutual TLS': () => startEmbedded(script, credentials),
    'door and Mosquitto, mutual TLS': () => startDoor(credentials, script),
  };
  console.log(`Memory of each of ${count} idle connections, all processes together`);
  for (const [name, start] of Object.entries(contest).filter(([each]) => each.includes(only))) {
    await using contestant = await start();
    const kilobytes = await idleKilobytes(contestant, count);
    console.log(
      `${name.padEnd(32)} ${kilobytes.toFixed(1)} KiB  ${kilobytes <= idleTarget ? '' : `more than ${idleTarget}`}`,
    );
  }
}

const parts = { embedded: compareEmbedded, door: compareDoor, idle: compareIdle };

const { part, only, rounds, connections } = parseArgs({
  options: {
    part: { type: 'string' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '5000' },
  },
}).values;
const roundCount = Number(rounds);
await using work = temporaryDirectory('sallyport-b-');
const script = await bundleFixture('apps/mqtt-broker/src/entrance-process.fixture.ts', work.path);
for (const [name, run] of Object.entries(parts)) if (part === undefined || part === name) await run(script);
