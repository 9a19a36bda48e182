import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { buildCertificateRequest, decodeCertsOnly, pemFromDer } from '@sallyport/x509';
import { type LoadRequest, type LoadResult, runLoad } from './enrolments/est-load.js';
import { nginxHandshakes, opensslCommand } from './enrolments/peers.js';
import { SignerSite } from './enrolments/signer-site.js';

// Enough requests, although CPU time is counted in ticks of 10 ms. The whole run takes less than half a minute.
const perRun = 300;

/** A device that is about to enrol. */
interface Candidate {
  readonly name: string;
  readonly key: KeyObject;
  readonly csr: Buffer;
}

function candidates(run: string): Candidate[] {
  return Array.from({ length: perRun }, (_, index) => {
    const name = `${run}-${index}`;
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { name, key, csr: buildCertificateRequest({ privateKey: key, commonName: name }) };
  });
}

async function enrolmentOf(site: SignerSite, { name, csr }: Candidate): Promise<LoadRequest> {
  const credentials = Buffer.from(`${name}:${await site.tokenFor(name)}`).toString('base64');
  return {
    path: '/.well-known/est/simpleenroll',
    method: 'POST',
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/pkcs10' },
    body: csr.toString('base64'),
  };
}

/** The renewal of a certificate just issued, with the same key, over mutual TLS. */
function renewalOf({ csr, key }: Candidate, issued: string): LoadRequest {
  const chain = decodeCertsOnly(Buffer.from(issued, 'base64')).map((der) => pemFromDer('CERTIFICATE', der));
  return {
    path: '/.well-known/est/simplereenroll',
    method: 'POST',
    headers: { 'content-type': 'application/pkcs10' },
    body: csr.toString('base64'),
    cert: chain.join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

async function measureSigner() {
  await using site = await SignerSite.start();
  const target = { port: site.port, rootPem: site.rootPem, pid: site.signer.pid };
  const enrol = async (run: string, keepAlive: boolean) => {
    const devices = candidates(run);
    const requests = await Promise.all(devices.map((device) => enrolmentOf(site, device)));
    return { devices, result: await runLoad(target, requests, { keepAlive }) };
  };
  const renew = ({ devices, result: { bodies } }: Awaited<ReturnType<typeof enrol>>) => {
    const renewals = devices.map((device, index) => renewalOf(device, bodies[index] ?? ''));
    return runLoad(target, renewals, { keepAlive: false });
  };
  // Warm up: two rounds of each, so that the just-in-time compiler has compiled both.
  for (const run of ['warm', 'warmer']) await renew(await enrol(run, false));
  const kept = await enrol('kept', true);
  const fresh = await enrol('fresh', false);
  return { kept: kept.result, fresh: fresh.result, renewed: await renew(fresh) };
}

function row(name: string, { cpuMs, perSecond }: Omit<LoadResult, 'bodies'>, comparison: string): void {
  const rate = `${Math.round(perSecond)}/s`;
  console.log(`${name.padEnd(42)} ${cpuMs.toFixed(2).padStart(7)} ms CPU  ${rate.padStart(7)}  ${comparison}`);
}

async function main(): Promise<void> {
  const { kept, fresh, renewed } = await measureSigner();
  const nginx = await nginxHandshakes(perRun);
  const [{ csr } = { csr: Buffer.alloc(0) }] = candidates('openssl');
  const openssl = await opensslCommand(csr);
  const times = (ours: number) =>
    `${(openssl.cpuMs / ours).toFixed(1)} x openssl's rate, ${(ours / nginx.cpuMs).toFixed(1)} x nginx's CPU`;
  console.log('EST enrolments: P-256, token, registry, SQLite with fsync; CPU of the signer process');
  console.log('(16 clients share the machine: the CPU time is the number to trust)');
  row('openssl x509 -req, a process each', openssl, 'no TLS, no store');
  row('nginx, a TLS handshake and GET each', nginx, 'no issuance, no store');
  row('enrol, connection kept', kept, times(kept.cpuMs));
  row('enrol, a TLS handshake each', fresh, `${times(fresh.cpuMs)} (target 5.00 ms)`);
  row('renew, a mutual TLS handshake each', renewed, `${times(renewed.cpuMs)} (target 5.00 ms)`);
}

await main();
