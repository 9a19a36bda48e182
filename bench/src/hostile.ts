// Measures how much hostile peers slow other clients. `npm run bench -- hostile` runs each attack for some seconds
// against the file transfer service as we ship it, while an honest client uses it too. It takes about a minute; `--only
// 'chunks'` less, `--seconds 30` more.
//
// The machine may be busy with other work. So the same figures are measured in the seconds before each attack, and the
// difference counts.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { parseArgs } from 'node:util';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { buildService } from './file-transfer/contestants.js';
import { LoadConnection } from './file-transfer/load-connection.js';
import { type Arsenal, attacks } from './hostile/attacks.js';
import { beHonest, type Waits } from './hostile/honest-client.js';
import { makeSlowChain } from './hostile/slow-chain.js';
import { cpuMillisecondsOf } from './process/cpu-time.js';
import { residentKilobytes } from './process/memory.js';
import { serviceFlags } from './process/shipped.js';

const warmUp = 3_000;
const calmMs = 1_500;
/** Time from the start of an attack to the measurement. The first moments would not show its lasting effect. */
const onsetMs = 500;

interface Stage {
  readonly script: string;
  readonly directory: string;
  /** Paths of the certificate and the key of the service, and of the CA of the clients. */
  readonly security: Readonly<Record<'certPath' | 'keyPath' | 'caPath', string>>;
  readonly honest: ConnectionOptions;
  readonly evil: ConnectionOptions;
  readonly slowChain: ConnectionOptions;
}

interface Service {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
}

async function startService({ script, directory, security }: Stage): Promise<Service> {
  // An attack makes the service log a lot. We ignore it.
  const child = fork(script, { execArgv: serviceFlags, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  child.send({ directory: join(directory, 'files'), durability: 'process-end', ...security });
  const [{ port }] = await once(child, 'message');
  return { child, pid: child.pid ?? 0, port };
}

async function storeFiles({ port }: Service, { ca = '', cert = '', key = '' }: ConnectionOptions): Promise<void> {
  const connection = await LoadConnection.open({ port, caPem: `${ca}`, certPem: `${cert}`, keyPem: `${key}` });
  const put = (name: string, bodyBytes: number) =>
    connection.exchange({ method: 'PUT', path: `/te/v1/files/${name}`, bodyBytes });
  await put('small', 5);
  await put('large', 16 * 1024 * 1024);
  // Warm up, so that the heap has grown to its normal size.
  for (let count = 0; count < warmUp; count += 1)
    await connection.exchange({ method: 'GET', path: '/te/v1/files/small', bodyBytes: 0 });
  connection.close();
}

async function peakMegabytesUntil(pid: number, end: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = end.finally(() => {
    isOver = true;
  });
  let peak = 0;
  while (!isOver) {
    peak = Math.max(peak, residentKilobytes(pid) / 1024);
    await Promise.race([over, sleep(20)]);
  }
  return peak;
}

function startAttacker(name: string, arsenal: Arsenal): ChildProcess {
  const [, script = ''] = process.argv;
  const child = fork(script, ['--attack', name], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send(arsenal);
  return child;
}

async function runAttack(name: string, stage: Stage): Promise<void> {
  const service = await startService(stage);
  const { pid, port } = service;
  const watch = { device: stage.honest, port };
  try {
    await storeFiles(service, stage.honest);
    await beHonest({ ...watch, milliseconds: calmMs });
    const before = await beHonest({ ...watch, milliseconds: calmMs });
    const megabytes = residentKilobytes(pid) / 1024;
    const cpuMs = cpuMillisecondsOf(pid);
    const attacker = startAttacker(name, { port, device: stage.evil, slowChain: stage.slowChain });
    await sleep(onsetMs);
    const honest = beHonest({ ...watch, milliseconds: attackMs });
    const [during, peak] = await Promise.all([honest, peakMegabytesUntil(pid, honest)]);
    attacker.kill('SIGKILL');
    const share = (cpuMillisecondsOf(pid) - cpuMs) / (attackMs + onsetMs);
    report(name, { before, during, growth: peak - megabytes, share });
  } finally {
    service.child.kill('SIGKILL');
  }
}

interface Outcome {
  readonly before: Waits;
  readonly during: Waits;
  /** Growth of the memory of the service during the attack, in MiB. */
  readonly growth: number;
  /** Share of one core. */
  readonly share: number;
}

function report(name: string, { before, during, growth, share }: Outcome): void {
  const cells = [
    name.padEnd(34),
    `${summaryOf(during.kept)} (${summaryOf(before.kept)})`.padEnd(44),
    `${summaryOf(during.fresh)} (${summaryOf(before.fresh)})`.padEnd(44),
    `${during.failed} (${before.failed})`.padEnd(8),
    `${growth.toFixed(0).padStart(4)} MB`,
    `${(share * 100).toFixed(0).padStart(4)} %`,
  ];
  console.log(cells.join(' '));
}

function summaryOf(waits: readonly number[]): string {
  const sorted = waits.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return [at(0.5), at(0.99), at(1)].map((value) => value.toFixed(0)).join(' / ');
}

async function main(only: string | undefined): Promise<void> {
  await using ca = await TestCa.create();
  await using work = temporaryDirectory('sallyport-b-');
  const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const deviceOf = async (commonName: string): Promise<ConnectionOptions> => {
    const { certPem: cert, keyPem: key } = await ca.issue({ commonName });
    return { ca: ca.certPem, cert, key, servername: 'localhost' };
  };
  const stage: Stage = {
    script: await buildService(work.path),
    directory: work.path,
    security: { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath },
    honest: await deviceOf('child01'),
    evil: await deviceOf('child02'),
    slowChain: await makeSlowChain(work.path),
  };
  console.log('How long an honest client waits under attack (and before it), in ms: p50 / p99 / max.');
  console.log(`${'attack'.padEnd(34)} ${'an answer'.padEnd(44)} ${'a new connection'.padEnd(44)} failed   memory  CPU`);
  for (const name of Object.keys(attacks)) if (only === undefined || name.includes(only)) await runAttack(name, stage);
}

const { attack, only, seconds } = parseArgs({
  options: { attack: { type: 'string' }, only: { type: 'string' }, seconds: { type: 'string', default: '5' } },
}).values;
const attackMs = Number(seconds) * 1000;
if (attack === undefined) await main(only);
else process.once('message', (arsenal: Arsenal) => attacks[attack]?.(arsenal));
