// Measures the CPU time of our CoAP endpoint for each request over mutual TLS, and its memory for each idle connection,
// beside the server of libcoap. Then a fleet signs in at the whole gateway at once. `npm run bench -- coap` takes about four
// minutes; `--storm` does only the last part.

import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { type Contestant, type Stage, startLibcoap, startOurs } from './coap/contestants.js';
import { Devices, type Round } from './coap/load.js';
import { reportStorm } from './coap/storm.js';
import { bundleFixture } from './process/bundle-fixture.js';
import { residentKilobytes } from './process/memory.js';
import { medianOf } from './process/statistics.js';

const rounds = 5;
const [roundMilliseconds, warmUpMilliseconds] = [1000, 2000];
const manyConnections = 1000;
/** Requests for the same CPU time, where libcoap is 1. */
const target = 1;

interface Load {
  readonly name: string;
  readonly connections: number;
  readonly atOnce: number;
}

const loads: readonly Load[] = [
  { name: '1 connection, one request at a time', connections: 1, atOnce: 1 },
  { name: '1 connection, 16 requests at once', connections: 1, atOnce: 16 },
  { name: '1,000 connections', connections: manyConnections, atOnce: 1 },
];

/** Other processes slow all. So each round measures all, alternately in forward and reverse order. */
async function measure(stage: Stage, contestants: readonly Contestant[], load: Load): Promise<Round[][]> {
  const devices: Devices[] = [];
  for (const each of contestants) devices.push(await Devices.connect(each, stage, load.connections));
  for (const each of devices) await each.run(warmUpMilliseconds, load.atOnce);
  const results = devices.map((): Round[] => []);
  const order = devices.map((each, index) => [each, index] as const);
  for (let round = 0; round < rounds; round += 1)
    for (const [each, index] of round % 2 === 0 ? order : order.toReversed())
      results[index]?.push(await each.run(roundMilliseconds, load.atOnce));
  for (const each of devices) await each.close();
  return results;
}

function report(contestants: readonly Contestant[], results: readonly (readonly Round[])[]): void {
  const [libcoap = []] = results;
  for (const [index, { name }] of contestants.entries()) {
    const measured = results[index] ?? [];
    const cost = `${medianOf(measured.map(({ cpuMicroseconds }) => cpuMicroseconds)).toFixed(1)} us`.padStart(9);
    const rate = `${medianOf(measured.map(({ perSecond }) => perSecond)).toFixed(0)}/s`.padStart(9);
    const ratios = libcoap.map((round, at) => round.cpuMicroseconds / (measured[at]?.cpuMicroseconds ?? Number.NaN));
    const range = `(${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})`;
    const verdict =
      index === 0 ? '' : `  target ${target.toFixed(1)} ${medianOf(ratios) >= target ? 'held' : 'MISSED'}`;
    console.log(`  ${name.padEnd(10)} ${cost} ${rate}   ${medianOf(ratios).toFixed(2)} ${range}${verdict}`);
  }
}

/** Memory of each connection that says nothing, in KiB. */
async function reportIdle(stage: Stage, contestants: readonly Contestant[]): Promise<void> {
  console.log(`memory of an idle connection, of ${manyConnections}:`);
  for (const contestant of contestants) {
    const before = residentKilobytes(contestant.pid);
    const devices = await Devices.connect(contestant, stage, manyConnections);
    const kilobytes = (residentKilobytes(contestant.pid) - before) / manyConnections;
    console.log(`  ${contestant.name.padEnd(10)} ${kilobytes.toFixed(1)} KiB`);
    await devices.close();
  }
}

/** Our endpoint beside the server of libcoap. */
async function compare(): Promise<void> {
  await using ca = await TestCa.create();
  await using build = temporaryDirectory('sallyport-b-');
  const usages = { key: 'P-256', extendedKeyUsage: 'serverAuth,clientAuth' } as const;
  const stage: Stage = {
    ca,
    server: await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'], ...usages }),
    device: await ca.issue({ commonName: 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5', ...usages }),
  };
  const script = await bundleFixture('bench/src/coap/endpoint-process.fixture.ts', build.path);
  await using opened = new AsyncDisposableStack();
  const contestants = [
    await startLibcoap(stage),
    await startOurs(script, stage, false),
    await startOurs(script, stage, true),
  ];
  for (const each of contestants) opened.defer(each.stop);
  await reportIdle(stage, contestants);
  console.log('GET /time over mutual TLS: CPU of the server for each, rate, and requests for the same CPU time, where');
  console.log('libcoap is 1:');
  for (const load of loads) {
    console.log(load.name);
    report(contestants, await measure(stage, contestants, load));
  }
}

const { storm: isStormOnly } = parseArgs({ options: { storm: { type: 'boolean', default: false } } }).values;
if (!isStormOnly) await compare();
await reportStorm();
