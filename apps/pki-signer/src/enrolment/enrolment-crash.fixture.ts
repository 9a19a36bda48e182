import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomic } from '@sallyport/files';
import { enrolmentTokenRequest } from '@sallyport/protocol';
import { openSqliteStore, scopedStore } from '@sallyport/store';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { csrFor, enrolmentOf, testSettings } from '../device.fixture.js';
import { RegistryGate } from '../issuance/registry-gate.js';
import { openSigner, type SignerOptions } from '../signer.js';

// A test runs this as a process and kills it. It enrols one device after the other as fast as it can, and prints each
// name and fingerprint when the client would have its answer. A request without an answer is sent again after the
// restart, as a device does that has stored it.
const [, , directory = ''] = process.argv;
const pendingPath = `${directory}/pending.json`;
const pendingRequest = z.object({ name: z.string(), token: z.string(), csr: z.string() });

const silent: SignerOptions['log'] = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

const store = await openSqliteStore({ file: `${directory}/store.db` });
const signer = await openSigner({
  store: scopedStore(store, 'pki-signer/'),
  clock: { now: () => new Date() },
  log: silent,
  metricsRegistry: new Registry(),
  registry: new RegistryGate(async () => ({ outcome: 'allowed' })),
  settings: testSettings(directory),
});
process.stdout.write('ready\n');

const pendingText = await readFile(pendingPath, 'utf8').catch(() => undefined);
if (pendingText !== undefined) await finish(pendingRequest.parse(JSON.parse(pendingText)));
for (;;) {
  const name = `child-${process.pid}-${performance.now().toString().replace('.', '-')}`;
  const { token } = await signer.tokens.create(enrolmentTokenRequest.parse({ deviceId: name }), 'admin');
  const pending = { name, token, csr: csrFor(name).toString('base64') };
  await writeFileAtomic(pendingPath, JSON.stringify(pending), 0o600);
  await finish(pending);
}

async function finish({ name, token, csr }: z.infer<typeof pendingRequest>): Promise<void> {
  const { fingerprint } = await signer.enrolment.enrol(enrolmentOf(name, token, Buffer.from(csr, 'base64')));
  process.stdout.write(`${name} ${fingerprint}\n`);
  await rm(pendingPath);
}
