// Measures the cost of a full mutual-TLS handshake for the secure listener, and compares it with nginx on the same
// machine in the same minutes, with the same client. `npm run bench -- handshakes` takes about half a minute.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get as httpsGet } from 'node:https';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect } from 'node:tls';
import { type Daemon, spawnNginx, TestCa, type TestCertificate } from '@sallyport/testkit';
import { type AdmissionPort, readSecurityFiles, SecureListener } from '@sallyport/tls';
import { cpuMillisecondsOf } from './process/cpu-time.js';
import { makeDevices } from './process/devices.js';
import { serviceFlags } from './process/shipped.js';
import { medianOf } from './process/statistics.js';

const parallel = 16;
const perRound = 300;
/** Number of devices that connect again and again. */
const fleetSize = 100;
/** Other processes slow both sides. So each round measures both, and the median of the ratios counts. */
const rounds = 5;
/** Handshakes to warm up our just-in-time compiler; nginx needs none. */
const warmUp = 2000;
/** Our target: handshakes we do in the CPU time of one handshake of nginx, as Debian ships it. */
const target = 1.15;

const admitAll: AdmissionPort = {
  admit: async ({ deviceId, kind }) => ({ outcome: 'admitted', deviceId, kind }),
};

/** The contestant in its own process: it listens, prints its port, and answers every request with its counters. */
async function serve([certPath, keyPath, caPath]: readonly string[]): Promise<void> {
  const keys = { cert: 'cert', key: 'key', ca: 'ca' };
  const { settings } = await readSecurityFiles({ certPath, keyPath, caPath, keys });
  const listener = new SecureListener({
    name: 'bench',
    host: '127.0.0.1',
    port: 0,
    security: settings,
    admission: admitAll,
    events: { onRefusal: (refusal) => console.error(refusal), onWarning: (warning) => console.error(warning) },
    handler: { http: (_, response) => response.end(JSON.stringify(listener.counters)) },
  });
  console.log((await listener.listen()).port);
}

interface Contestant {
  readonly port: number;
  readonly pid: number;
}

async function startOurs(files: readonly string[]): Promise<Contestant & { readonly child: ChildProcess }> {
  const [, script = ''] = process.argv;
  const child = spawn(process.execPath, [...serviceFlags, script, '--serve', ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { port: Number(String(line)), pid: child.pid ?? 0, child };
}

/** Does a full handshake. Resolves when the server has closed too, so it has verified the certificate of the client. */
function shakeHands(options: ConnectionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => socket.end());
    socket.resume().once('error', reject).once('close', resolve);
  });
}

interface Round {
  readonly cpuMs: number;
  readonly perSecond: number;
}

interface Load {
  readonly contestant: Contestant;
  /** Client certificates, used in turn. */
  readonly devices: readonly ConnectionOptions[];
  readonly ecdhCurve?: string;
  readonly count?: number;
}

async function runRound({ contestant, devices, ecdhCurve = 'X25519', count = perRound }: Load): Promise<Round> {
  const { port, pid } = contestant;
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < count) await shakeHands({ ...devices[begun++ % devices.length], port, ecdhCurve });
  };
  const [startedAt, cpuBefore] = [performance.now(), cpuMillisecondsOf(pid)];
  await Promise.all(Array.from({ length: parallel }, work));
  const seconds = (performance.now() - startedAt) / 1000;
  return { cpuMs: (cpuMillisecondsOf(pid) - cpuBefore) / count, perSecond: count / seconds };
}

/** Our handshakes in the CPU time of one handshake of the peer: the median of the rounds. */
function ratioOf(peer: readonly Round[], ours: readonly Round[]): number {
  return medianOf(peer.map(({ cpuMs }, round) => cpuMs / (ours[round]?.cpuMs ?? Number.NaN)));
}

function report(name: string, measured: readonly Round[], comparison: string): void {
  const cost = medianOf(measured.map(({ cpuMs }) => cpuMs));
  const rate = medianOf(measured.map(({ perSecond }) => perSecond));
  console.log(`${name.padEnd(46)} ${cost.toFixed(2)} ms CPU  ${rate.toFixed(0).padStart(5)}/s  ${comparison}`);
}

interface Contest {
  readonly nginx: Contestant;
  readonly strictNginx: Contestant;
  readonly ours: Contestant;
  readonly fleet: readonly ConnectionOptions[];
  readonly strangers: readonly ConnectionOptions[];
}

async function runContest({ nginx, strictNginx, ours, fleet, strangers }: Contest) {
  await runRound({ contestant: ours, devices: strangers.slice(-warmUp), count: warmUp });
  const measured: Record<'nginx' | 'strict' | 'known' | 'first' | 'hybrid', Round[]> = {
    nginx: [],
    strict: [],
    known: [],
    first: [],
    hybrid: [],
  };
  for (let round = 0; round < rounds; round += 1) {
    const unseen = strangers.slice(round * perRound, (round + 1) * perRound);
    measured.nginx.push(await runRound({ contestant: nginx, devices: fleet }));
    measured.strict.push(await runRound({ contestant: strictNginx, devices: fleet }));
    measured.known.push(await runRound({ contestant: ours, devices: fleet }));
    measured.first.push(await runRound({ contestant: ours, devices: unseen }));
    measured.hybrid.push(await runRound({ contestant: ours, devices: fleet, ecdhCurve: 'X25519MLKEM768' }));
  }
  return measured;
}

/** Fails when only the client finished a handshake. The server counts the handshakes it has finished. */
async function checkCount({ port }: Contestant, device: ConnectionOptions): Promise<void> {
  const [response] = await once(httpsGet({ ...device, port, agent: false }), 'response');
  const { handshakes } = JSON.parse(await text(response));
  const begun = warmUp + 3 * rounds * perRound + 1;
  if (handshakes !== begun) throw new Error(`${handshakes} of ${begun} handshakes were finished`);
}

async function compare(contest: Contest): Promise<void> {
  const { nginx, strict, known, first, hybrid } = await runContest(contest);
  await checkCount(contest.ours, contest.fleet[0] ?? {});
  const against = (ours: readonly Round[]) =>
    `${ratioOf(nginx, ours).toFixed(2)} x nginx, ${ratioOf(strict, ours).toFixed(2)} x without tickets`;
  const verdict = `target ${target.toFixed(2)} ${ratioOf(nginx, known) >= target ? 'held' : 'MISSED'}`;
  report('nginx, 1 worker', nginx, '');
  report('nginx without session tickets', strict, '');
  report('secure listener, devices that come back', known, `${against(known)}   ${verdict}`);
  report('secure listener, devices never seen', first, against(first));
  report('secure listener, hybrid X25519MLKEM768', hybrid, `${against(hybrid)}, which has no hybrid`);
}

function startNginx(ca: TestCa, server: TestCertificate, more = ''): Promise<Daemon> {
  const files = `ssl_certificate ${server.certPath}; ssl_certificate_key ${server.keyPath}; ssl_client_certificate ${ca.certPath};`;
  const tls = `${files} ssl_verify_client on; ssl_protocols TLSv1.2 TLSv1.3; ${more}`;
  return spawnNginx(`server { listen 127.0.0.1:$port ssl; ${tls} location / { return 204; } }`);
}

async function main(): Promise<void> {
  await using ca = await TestCa.create();
  const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  await using nginx = await startNginx(ca, server);
  await using strictNginx = await startNginx(ca, server, 'ssl_session_tickets off; ssl_session_cache off;');
  const ours = await startOurs([server.certPath, server.keyPath, ca.certPath]);
  const [fleet, strangers] = [makeDevices(ca, fleetSize), makeDevices(ca, rounds * perRound + warmUp)];
  try {
    console.log('Full mutual-TLS handshakes, EC P-256, X25519; CPU of the server process for each');
    console.log(`(${parallel} clients share the machine: the CPU time is the number to trust)`);
    await compare({ nginx, strictNginx, ours, fleet, strangers });
  } finally {
    ours.child.kill('SIGTERM');
  }
}

if (process.argv[2] === '--serve') await serve(process.argv.slice(3));
else await main();
