import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readTextIfPresent, writeFileAtomic } from '@sallyport/files';
import { deviceId, enrolmentSecretLength, formatEnrolmentToken } from '@sallyport/protocol';
import { certificatesFromPem } from '@sallyport/x509';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, pemOf, readIdentity, recoverIdentity, replacePair } from './certificate-files.js';
import { enrolIdentity } from './enrol.js';
import { EstResponder } from './est-responder.fixture.js';
import { newPrivateKey, privateKeyPem } from './private-key.js';
import { renewIdentity } from './renew.js';

let folder: string;
let script: string;
let responder: EstResponder;
let token: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crash-'));
  script = await bundled(join(folder, 'bundle'));
  responder = await EstResponder.start();
  const { fingerprint: caFingerprint } = responder.site.root;
  token = formatEnrolmentToken({ secret: 'A'.repeat(enrolmentSecretLength), caFingerprint });
});
afterAll(async () => {
  await responder.close();
  await rm(folder, { recursive: true, force: true });
});

async function bundled(directory: string): Promise<string> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'crash-child.fixture.ts'),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
  });
  await bundle.write({ dir: directory, format: 'esm', entryFileNames: 'child.mjs' });
  await bundle.close();
  return join(directory, 'child.mjs');
}

async function filesIn(name: string): Promise<CertificateFiles> {
  const directory = join(folder, name);
  await mkdir(directory, { recursive: true });
  return {
    certPath: join(directory, 'cert.pem'),
    keyPath: join(directory, 'key.pem'),
    caPath: join(directory, 'ca.pem'),
  };
}

/** Runs the child and kills it -9 the given time after it got to work. */
async function killDuring(work: 'enrol' | 'renew', name: string, afterMs: number): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [script, work, join(folder, name), responder.url, token], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout !== null) await once(child.stdout, 'data');
  // The point of the kill is the point: time itself is what varies here.
  await delay(afterMs);
  child.kill('SIGKILL');
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

const later = new Date(Date.now() + 120_000);
const enrolHere = (files: CertificateFiles) =>
  enrolIdentity({ files, deviceId: deviceId.parse('child01'), oneTimePassword: token, url: responder.url });

describe('kill -9', () => {
  it('during renewals with new keys leaves a pair that works, 15 times in a row', async () => {
    const files = await filesIn('renew');
    await enrolHere(files);

    for (let round = 0; round < 15; round++) {
      await killDuring('renew', 'renew', 25 + round * 5);
      await recoverIdentity(files, later);
      expect((await readIdentity(files))?.certificates[0].subject.commonNames).toEqual(['child01']);
      expect((await readdir(join(folder, 'renew'))).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
    }
    await renewIdentity({ files, url: responder.url, newKey: true });
    expect(responder.seen.at(-1)?.clientName).toBe('child01');
  });

  it.each(Array.from({ length: 10 }, (_, index) => index * 4))(
    'during an enrolment, %i ms on, lets the next try finish it with the same signing request',
    async (afterMs) => {
      const name = `enrol-${afterMs}`;
      const files = await filesIn(name);
      const before = responder.seen.length;
      await killDuring('enrol', name, afterMs);
      const isFinished = (await readTextIfPresent(files.certPath)) !== undefined;

      if (!isFinished) await enrolHere(files);

      const requests = responder.seen.slice(before).filter(({ operation }) => operation === 'simpleenroll');
      expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
      expect((await readIdentity(files))?.certificates[0].subject.commonNames).toEqual(['child01']);
    },
  );
});

describe('a renewal interrupted between key and certificate', () => {
  /** An identity in force, and the next pair as it stands in the one file that commits it. */
  async function interrupted(name: string) {
    const files = await filesIn(name);
    const old = await enrolHere(files);
    const oldPem = await readTextIfPresent(files.certPath);
    const privateKey = await newPrivateKey();
    const elsewhere = await filesIn(`${name}-next`);
    await writeFileAtomic(elsewhere.keyPath, privateKeyPem(privateKey), 0o400);
    const next = await enrolHere(elsewhere);
    const chain = certificatesFromPem((await readTextIfPresent(elsewhere.certPath)) ?? '');
    const pair = privateKeyPem(privateKey) + pemOf(chain);
    return { files, old, oldPem: oldPem ?? '', next, privateKey, chain, pair };
  }

  it('is finished when the new pair had been written down', async () => {
    const { files, next, pair } = await interrupted('committed');
    await writeFileAtomic(`${files.keyPath}.next`, pair, 0o400);

    expect((await readIdentity(files))?.certificates[0].fingerprint).toBe(next.fingerprint);
    expect(await readTextIfPresent(`${files.keyPath}.next`)).toBeUndefined();
  });

  it('is finished when the key had been replaced and the certificate had not', async () => {
    const { files, next, pair, privateKey } = await interrupted('half');
    await writeFileAtomic(`${files.keyPath}.next`, pair, 0o400);
    await writeFileAtomic(files.keyPath, privateKeyPem(privateKey), 0o400);

    expect((await readIdentity(files))?.certificates[0].fingerprint).toBe(next.fingerprint);
  });

  it('is given up when the new pair had not been written down', async () => {
    const { files, old } = await interrupted('uncommitted');
    await writeFileAtomic(join(folder, 'uncommitted', '.key.pem.next.abandoned.tmp'), 'half a k', 0o600);

    await recoverIdentity(files, later);

    expect((await readIdentity(files))?.certificates[0].fingerprint).toBe(old.fingerprint);
    expect((await readdir(join(folder, 'uncommitted'))).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
  });

  it('and another one at the same time end with one whole pair', async () => {
    const { files, chain, privateKey } = await interrupted('contended');
    const other = await interrupted('contender');

    await Promise.all([
      replacePair(files, privateKey, chain),
      replacePair(files, other.privateKey, other.chain),
      replacePair(files, privateKey, chain),
    ]);

    expect((await readIdentity(files))?.certificates[0].subject.commonNames).toEqual(['child01']);
  });
});
