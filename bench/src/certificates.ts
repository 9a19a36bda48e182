import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceId } from '@sallyport/protocol';
import {
  buildCertificateRequest,
  certificateProfiles,
  checkCertificateRequest,
  identityUri,
  issueCaCertificate,
  issueRootCertificate,
  LeafIssuer,
  leafAltNames,
  parseCertificate,
  parseCertificateRequest,
  pemFromDer,
  validityOf,
  verifyPossession,
} from '@sallyport/x509';
import { medianOf } from './process/statistics.js';

const profile = certificateProfiles.device;
const identity = { deviceId: deviceId.parse('child01') };
const subject = { commonName: identity.deviceId, organization: 'Bench' };
const urls = { crlUrl: 'http://localhost:8442/device.crl', caIssuersUrl: 'http://localhost:8442/device.cer' };

/** Requests with different keys, as a signer gets them. A key that was used before verifies faster. */
const differentRequests = 2000;

/** Other processes slow both sides. So each round measures both, and the median round counts. */
const rounds = 3;
const roundMilliseconds = 1200;

function makeIssuer(): { readonly issuer: LeafIssuer; readonly caPem: string; readonly caKeyPem: string } {
  const now = new Date();
  const root = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const issuing = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rootCertificate = parseCertificate(
    issueRootCertificate({ ...root, commonName: 'Bench Root G1', ...validityOf(certificateProfiles.root, now) }),
  );
  const ca = parseCertificate(
    issueCaCertificate({
      issuer: rootCertificate,
      issuerKey: root.privateKey,
      publicKey: issuing.publicKey,
      commonName: 'Bench Issuing G1',
      ...validityOf(certificateProfiles.issuing, now),
    }),
  );
  return {
    issuer: new LeafIssuer({ issuer: ca, privateKey: issuing.privateKey, profile, ...urls }),
    caPem: pemFromDer('CERTIFICATE', ca.der),
    caKeyPem: issuing.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function makeRequests(): Buffer[] {
  return Array.from({ length: differentRequests }, () =>
    buildCertificateRequest({
      privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      commonName: identity.deviceId,
      subjectAltNames: [identityUri({ kind: 'device', deviceId: identity.deviceId })],
    }),
  );
}

/** CPU time of an operation in microseconds, measured over a fixed wall time. */
function cpuMicroseconds(milliseconds: number, operation: (index: number) => void): number {
  const before = process.cpuUsage();
  let index = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end; ) operation(index++);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / index;
}

/** Everything a signer does for a new request: parse, verify possession of the key, check the profile, lint, sign. */
function issueFromRequest(issuer: LeafIssuer, der: Buffer): void {
  const request = parseCertificateRequest(der);
  verifyPossession(request);
  checkCertificateRequest(request, profile, identity);
  const subjectAltNames = leafAltNames(request, profile, identity);
  issuer.issue({ subject, spki: request.spki, subjectAltNames, ...validityOf(profile, new Date()) });
}

/** `openssl speed` in one process: CPU time of a signature and of a verification, in microseconds. */
function opensslLimit(): { readonly sign: number; readonly verify: number } {
  const output = execFileSync('openssl', ['speed', '-seconds', '1', 'ecdsap256'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [verify = 0, sign = 0] = output.trim().split(/\s+/).map(Number).reverse();
  return { sign: 1e6 / sign, verify: 1e6 / verify };
}

/** `openssl x509 -req`, one process for each certificate: wall time of each, in milliseconds. */
function opensslCommand(caPem: string, caKeyPem: string, request: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  try {
    const path = (name: string) => join(folder, name);
    writeFileSync(path('ca.pem'), caPem);
    writeFileSync(path('ca.key'), caKeyPem, { mode: 0o600 });
    writeFileSync(path('request.pem'), pemFromDer('CERTIFICATE REQUEST', request));
    const command = ['x509', '-req', '-days', '90', '-in', path('request.pem'), '-CA', path('ca.pem')];
    const runs = 40;
    const start = performance.now();
    for (let run = 0; run < runs; run++)
      execFileSync('openssl', [...command, '-CAkey', path('ca.key'), '-CAcreateserial'], { stdio: 'pipe' });
    return (performance.now() - start) / runs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The results of one round, in microseconds of CPU time. */
interface Round {
  readonly limit: { readonly sign: number; readonly verify: number };
  readonly full: number;
  readonly signOnly: number;
}

function measure(issuer: LeafIssuer, requests: readonly Buffer[]): Round[] {
  const [first = Buffer.alloc(0)] = requests;
  const parsed = parseCertificateRequest(first);
  const subjectAltNames = leafAltNames(parsed, profile, identity);
  const spkis = requests.map((der) => parseCertificateRequest(der).spki);
  const full = (index: number) => issueFromRequest(issuer, requests[index % differentRequests] ?? first);
  const signOnly = (index: number) => {
    const spki = spkis[index % differentRequests] ?? parsed.spki;
    issuer.issue({ subject, spki, subjectAltNames, ...validityOf(profile, new Date()) });
  };
  cpuMicroseconds(roundMilliseconds, full);
  return Array.from({ length: rounds }, () => ({
    limit: opensslLimit(),
    full: cpuMicroseconds(roundMilliseconds, full),
    signOnly: cpuMicroseconds(roundMilliseconds, signOnly),
  }));
}

function row(name: string, microseconds: number, comparison: string): void {
  const rate = Math.round(1e6 / microseconds).toLocaleString('en');
  console.log(`${name.padEnd(30)} ${microseconds.toFixed(1).padStart(9)} µs  ${rate.padStart(8)}/s  ${comparison}`);
}

function main(): void {
  const { issuer, caPem, caKeyPem } = makeIssuer();
  const requests = makeRequests();
  const measured = measure(issuer, requests);
  const command = opensslCommand(caPem, caKeyPem, requests[0] ?? Buffer.alloc(0)) * 1000;
  const median = (value: (round: Round) => number) => medianOf(measured.map(value));
  const full = median((round) => round.full);
  const fullRatio = median(({ limit, full: ours }) => (limit.sign + limit.verify) / ours).toFixed(2);
  const signRatio = median(({ limit, signOnly }) => limit.sign / signOnly).toFixed(2);
  console.log(`Certificates issued: P-256, one thread, CPU time, median of ${rounds} rounds (openssl x509: wall time)`);
  row(
    'openssl speed: sign',
    median(({ limit }) => limit.sign),
    '',
  );
  row(
    'openssl speed: verify + sign',
    median(({ limit }) => limit.sign + limit.verify),
    'the limit',
  );
  row('verify CSR, judge, lint, sign', full, `${fullRatio} x the limit (target 0.30)`);
  row(
    'lint, sign',
    median(({ signOnly }) => signOnly),
    `${signRatio} x openssl sign (target 12,000/s)`,
  );
  row('openssl x509 -req', command, `we are ${Math.round(command / full)} x faster`);
}

main();
