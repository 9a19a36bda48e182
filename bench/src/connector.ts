// Measures the CPU time of the connector for each value that a device writes over mutual TLS, beside nginx with Lua and
// nginx that only answers. `npm run bench -- connector` takes about a minute and a half. `--bare` leaves out the whole
// service and first contacts.
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { ConnectorSite } from './connector/connector-site.js';
import { type Contestant, type Stage, startBare, startLua, startStatic } from './connector/contestants.js';
import { reportFirstContacts } from './connector/first-contacts.js';
import { Devices, type Round } from './connector/load.js';
import { bundleFixture } from './process/bundle-fixture.js';
import { medianOf } from './process/statistics.js';

const connections = 16;
const rounds = 5;
const roundMilliseconds = 1000;
const warmUpMilliseconds = 3000;
/** Requests for the same CPU time, where nginx is 1, of HTTP and TLS alone. */
const targets = { lua: 1.4, static: 0.55 };

/** Other processes slow all. So each round measures all, alternately in forward and reverse order. */
async function measure(
  contestants: readonly Contestant[],
  certificates: readonly TestCertificate[],
): Promise<readonly (readonly Round[])[]> {
  const devices: Devices[] = [];
  for (const each of contestants) devices.push(await Devices.connect(each, certificates));
  for (const each of devices) await each.run(warmUpMilliseconds);
  const results = devices.map((): Round[] => []);
  const order = devices.map((each, index) => [each, index] as const);
  for (let round = 0; round < rounds; round += 1)
    for (const [each, index] of round % 2 === 0 ? order : order.toReversed())
      results[index]?.push(await each.run(roundMilliseconds));
  for (const each of devices) each.close();
  return results;
}

const cpuOf = ({ cpuMicroseconds }: Round) => cpuMicroseconds;

/** The median of the ratios of each round, and their range. */
function ratioOf(nginx: readonly Round[], ours: readonly Round[]): { median: number; text: string } {
  const ratios = nginx.map((round, index) => cpuOf(round) / (ours[index]?.cpuMicroseconds ?? Number.NaN));
  const sorted = ratios.toSorted((one, other) => one - other);
  const range = [sorted[0], sorted.at(-1)].map((ratio = Number.NaN) => ratio.toFixed(2)).join('-');
  return { median: medianOf(ratios), text: `${medianOf(ratios).toFixed(2)} (${range})` };
}

function report(contestants: readonly Contestant[], results: readonly (readonly Round[])[]): void {
  const [lua = [], answering = [], bare = []] = results;
  for (const [index, { name }] of contestants.entries()) {
    const measured = results[index] ?? [];
    const cost = `${medianOf(measured.map(cpuOf)).toFixed(1)} us`.padStart(9);
    const rate = `${medianOf(measured.map(({ perSecond }) => perSecond)).toFixed(0)}/s`.padStart(8);
    const ratios = [lua, answering].map((nginx) => ratioOf(nginx, measured).text.padEnd(18));
    console.log(`${name.padEnd(20)} ${cost} ${rate}   ${ratios.join(' ')}`);
  }
  const verdict = (nginx: readonly Round[], target: number) =>
    `target ${target.toFixed(2)} ${ratioOf(nginx, bare).median >= target ? 'held' : 'MISSED'}`;
  console.log(`HTTP and TLS: of Lua ${verdict(lua, targets.lua)}, of 204 ${verdict(answering, targets.static)}`);
}

const { bare: isBare } = parseArgs({ options: { bare: { type: 'boolean', default: false } } }).values;
await using ca = await TestCa.create();
await using fleet = await TestCa.create({ commonName: 'Fleet CA' });
await using build = temporaryDirectory('sallyport-b-');
const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
const certificates: TestCertificate[] = [];
for (let index = 0; index < connections; index += 1)
  certificates.push(await fleet.issue({ commonName: `pump-${index}`, key: 'P-256', extendedKeyUsage: null }));
const stage: Stage = { ca, server, fleet };
await mkdir(build.file('bundle'));
const script = await bundleFixture('apps/connector/src/http/http-process.fixture.ts', build.file('bundle'));
await using opened = new AsyncDisposableStack();
const contestants = [
  await startLua(stage),
  await startStatic(stage),
  await startBare(script, stage, false),
  await startBare(script, stage, true),
];
for (const each of contestants) opened.defer(each.stop);
const site = isBare ? undefined : opened.use(await ConnectorSite.start(stage));
const all = site === undefined ? contestants : [...contestants, site.contestant];
console.log(`POST temperature=50, ${connections} devices on kept connections, mutual TLS: CPU of the server for each,`);
console.log('rate, and requests for the same CPU time, where nginx with Lua and nginx with "return 204" are 1:');
report(all, await measure(all, certificates));
if (site !== undefined) await reportFirstContacts(site, fleet);
