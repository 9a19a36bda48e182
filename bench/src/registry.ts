// Measures the device registry with a large fleet, in SQLite and in Redis: room, start, lists, searches and admissions.
// `npm run bench -- registry` has 1,000,000 devices and takes some five minutes; `--devices 100000` less, `--only redis`
// half.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type CertificateAdmissionRequest, deviceList, fingerprint, registryStatus } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { cpuMillisecondsOf } from './process/cpu-time.js';
import { residentKilobytes } from './process/memory.js';
import { quantileOf } from './process/statistics.js';
import { nameOf } from './registry/fleet-store.js';
import { peerOf, RegistrySite } from './registry/registry-site.js';

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '300' },
    only: { type: 'string' },
  },
});
const devices = Number(values.devices);
const rounds = Number(values.rounds);

const targets = { bytes: 1_024, startMs: 5_000, listMs: 50, admissionMs: 5, firstContactMs: 50 };

/** What an administrator asks, each time for other devices. */
const questions: readonly (readonly [name: string, query: (round: number) => string])[] = [
  ['first page', () => 'limit=100'],
  ['part of the name, many', (round) => `search=${round % 100}`],
  ['part of the name, few', (round) => `search=${nameOf(round * 31).slice(6)}`],
  ['part of the name, none', (round) => `search=x${round}`],
  ['state, every hundredth', () => 'state=locked'],
  ['state, none', () => 'state=retired'],
  ['tag, every fortieth', () => 'tag=site%3Dnorth'],
  ['tag and state', () => 'tag=site%3Dnorth&state=locked'],
  ['CA, all', () => `authority=${encodeURIComponent(peerOf('a', 'a').authorities[0] ?? '')}`],
  ['seen in the last hour, few', () => `seenSince=${new Date(Date.now() - 3_600_000).toISOString()}`],
  ['never seen, part of the name', (round) => `unseenSince=2026-01-01T00:00:00Z&search=${1_000 + round}`],
  ['certificate ends, none', () => 'expiresBefore=2030-01-01T00:00:00Z'],
  ['part of the name, 1,000 a page', (round) => `search=${round % 100}&limit=1000`],
];

interface Measured {
  readonly times: readonly number[];
  /** CPU time of the registry for one, in milliseconds. On a busy machine, this is the number to trust. */
  readonly cpuMs: number;
}

async function measured({ process }: RegistrySite, work: (round: number) => Promise<unknown>): Promise<Measured> {
  const [times, cpuBefore]: [number[], number] = [[], cpuMillisecondsOf(process.pid)];
  // The first tenth warms up.
  for (let round = 0; round < rounds * 1.1; round += 1) {
    const began = performance.now();
    await work(round);
    if (round >= rounds * 0.1) times.push(performance.now() - began);
  }
  return { times, cpuMs: (cpuMillisecondsOf(process.pid) - cpuBefore) / (rounds * 1.1) };
}

function row(name: string, { times, cpuMs }: Measured, targetMs: number): void {
  const [half, most] = [quantileOf(times, 0.5), quantileOf(times, 0.99)];
  const verdict = most < targetMs ? 'met' : 'MISSED';
  const numbers = [half, most, cpuMs].map((each) => each.toFixed(1).padStart(7));
  console.log(
    `  ${name.padEnd(34)} ${numbers[0]} ms  p99 ${numbers[1]} ms (< ${targetMs}: ${verdict})  CPU ${numbers[2]} ms`,
  );
}

/** From the start of the process until every device is read, while the registry admits devices already. */
async function measureStart(site: RegistrySite): Promise<void> {
  await site.start();
  const { startedInMs, spawnedAt } = site.process;
  const isComplete = async () => (await site.process.call('GET', '/v1/status', registryStatus)).isComplete === true;
  await waitFor(isComplete, { what: 'the fleet to be read', deadlineMs: 300_000 });
  const seconds = (performance.now() - spawnedAt) / 1000;
  const verdict = startedInMs < targets.startMs ? 'met' : 'MISSED';
  console.log(
    `  starts in ${Math.round(startedInMs)} ms (< ${targets.startMs} ms: ${verdict}), every device read after ${seconds.toFixed(1)} s`,
  );
  console.log(`  resident memory ${Math.round(residentKilobytes(site.process.pid) / 1024)} MiB`);
}

async function measureAdmissions(site: RegistrySite): Promise<void> {
  row(
    'admission of a known device',
    await measured(site, (round) => site.admit(knownPeer(round))),
    targets.admissionMs,
  );
  const newcomer = (round: number) => site.admit(peerOf(`new-${round}`, `new-${round}`));
  row('first contact of a device', await measured(site, newcomer), targets.firstContactMs);
}

/** One of the devices in the store, with the certificate that is recorded there. */
function knownPeer(round: number): CertificateAdmissionRequest {
  const index = (round * 3_571) % devices;
  // Every hundredth is locked.
  const name = nameOf(index % 100 === 0 ? index + 1 : index);
  const certificate = createHash('sha256').update(name).digest('hex');
  return { ...peerOf(name, name), fingerprint: fingerprint.parse(certificate) };
}

async function measure(kind: 'sqlite' | 'redis'): Promise<void> {
  await using site = await RegistrySite.found(kind);
  const { bytesPerDevice, seconds } = await site.fill(devices);
  console.log(`${site.engine.name}, ${devices.toLocaleString('en')} devices (written in ${seconds.toFixed(0)} s)`);
  const verdict = bytesPerDevice <= targets.bytes ? 'met' : 'MISSED';
  console.log(`  ${Math.round(bytesPerDevice)} bytes a device (<= ${targets.bytes}: ${verdict})`);
  await measureStart(site);
  await measureAdmissions(site);
  for (const [name, query] of questions)
    row(
      name,
      await measured(site, (round) => site.process.call('GET', `/v1/devices?${query(round)}`, deviceList)),
      targets.listMs,
    );
}

for (const kind of ['sqlite', 'redis'] as const)
  if (values.only === undefined || values.only === kind) await measure(kind);
