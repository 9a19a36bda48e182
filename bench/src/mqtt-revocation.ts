// Measures how long a revoked device keeps its session, with many sessions open at the door in front of Mosquitto, and with
// the embedded broker. `npm run bench -- mqtt-revocation` takes some minutes, most of them for handshakes;
// `--sessions 1000` less.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RawMqtt, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { type Credentials, type GuardedContestant, startDoor, startEmbedded } from './mqtt/contestants.js';
import { credentialsFor } from './mqtt/credentials.js';
import { openMany } from './mqtt/many-clients.js';
import { bundleFixture } from './process/bundle-fixture.js';
import { quantileOf } from './process/statistics.js';

const targetMs = 1_000;
const deadlineMs = 20_000;
/** Between two revocations, in milliseconds. */
const pauseMs = 20;

interface Outcome {
  /** From the revocation to the end of the session, in milliseconds. */
  readonly waits: readonly number[];
  /** Revoked devices that could open a session again. */
  readonly returned: number;
}

/** How long the session of this device lasts once it is revoked. */
async function revoke(contestant: GuardedContestant, client: RawMqtt, index: number): Promise<number> {
  const began = performance.now();
  contestant.revoke(`child${index}`);
  const ended = await Promise.race([client.ended.then(() => true), sleep(deadlineMs, false, { ref: false })]);
  return ended ? performance.now() - began : Number.POSITIVE_INFINITY;
}

async function revokeSome(contestant: GuardedContestant, clients: readonly RawMqtt[]): Promise<Outcome> {
  const waits: number[] = [];
  let returned = 0;
  const step = Math.max(1, Math.floor(clients.length / Number(revocations)));
  for (const [index, client] of clients.entries()) {
    if (index % step !== 0) continue;
    waits.push(await revoke(contestant, client, index));
    const again = RawMqtt.open(contestant.publisherTarget(index), { clientId: 'again', keepAliveSeconds: 60 });
    await again.then(
      (opened) => {
        returned += 1;
        opened.cut();
      },
      () => undefined,
    );
    await sleep(pauseMs);
  }
  return { waits, returned };
}

async function measure(name: string, contestant: GuardedContestant): Promise<void> {
  const clients = await openMany(contestant, { count: sessionCount, keepAliveSeconds: 3_600 });
  const { waits, returned } = await revokeSome(contestant, clients);
  const alive = clients.filter(({ socket }) => !socket.destroyed).length;
  const p99 = quantileOf(waits, 0.99);
  console.log(
    `${name.padEnd(28)} ${sessionCount} sessions, ${waits.length} revoked: ` +
      `p50 ${quantileOf(waits, 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${quantileOf(waits, 1).toFixed(1)} ms ` +
      `(target ${targetMs} ${p99 <= targetMs ? 'held' : 'MISSED'}); ${returned} came back; ` +
      `${sessionCount - waits.length - alive} others ended`,
  );
  for (const client of clients) client.cut();
}

/** The door has two open files for each session. */
function mostSessions(): number {
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Math.floor((Number(limit) - 500) / 2);
}

const { sessions, revocations, only } = parseArgs({
  options: {
    sessions: { type: 'string', default: '10000' },
    revocations: { type: 'string', default: '200' },
    only: { type: 'string', default: '' },
  },
}).values;
const sessionCount = Math.min(Number(sessions), mostSessions());
await using ca = await TestCa.create();
await using work = temporaryDirectory('sallyport-b-');
const script = await bundleFixture('apps/mqtt-broker/src/entrance-process.fixture.ts', work.path);
const credentials: Credentials = await credentialsFor(ca, sessionCount);
const contest = {
  'door in front of Mosquitto': () => startDoor(credentials, script),
  'embedded broker': () => startEmbedded(script, credentials),
};
for (const [name, start] of Object.entries(contest).filter(([each]) => each.includes(only))) {
  await using contestant = await start();
  await measure(name, contestant);
}
