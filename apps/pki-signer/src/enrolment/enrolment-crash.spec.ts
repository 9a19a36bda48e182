import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openSqliteStore, scopedStore } from '@sallyport/store';
import { bundleProgram, TestClock, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { certificateRecord } from '../inventory/certificate-record.js';
import { signerOptions, TestRegistry, testSettings } from '../signer.fixture.js';
import { openSigner } from '../signer.js';
import { tokenRecord } from './token-record.js';

const kills = 100;
// An enrolment takes about a tenth of it, so kills fall before, into and behind one.
const longestLifeMs = 80;

/** Lets the program enrol for a random while, kills it, and gives back what it had answered to its clients. */
async function runAndKill(program: string, site: string): Promise<string[]> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, site], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const { promise: started, resolve } = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => (line === 'ready' ? resolve() : lines.push(line)));
  const closed = once(child, 'close');
  await Promise.race([started, closed]);
  await new Promise((done) => setTimeout(done, Math.random() * longestLifeMs));
  child.kill('SIGKILL');
  const [exitCode] = await closed;
  // It only ever ends by our hand.
  expect(exitCode).toBeNull();
  return lines;
}

async function openSite(site: string) {
  const whole = await openSqliteStore({ file: `${site}/store.db` });
  const store = scopedStore(whole, 'pki-signer/');
  const [clock, settings, registry] = [new TestClock(), testSettings(site), new TestRegistry()];
  const signer = await openSigner(signerOptions({ store, clock, settings, registry }));
  const all = async (prefix: string) => {
    const values: unknown[] = [];
    let page = await store.list(prefix, { limit: 1000 });
    for (;;) {
      values.push(...page.entries.map(({ value }) => value));
      if (page.cursor === undefined) return values;
      page = await store.list(prefix, { limit: 1000, cursor: page.cursor });
    }
  };
  return { all, signer, [Symbol.asyncDispose]: () => whole.close() };
}

describe('enrolment in a process that is killed a hundred times', () => {
  it('burns no token without a certificate, issues none without its audit record, and no serial number twice', async () => {
    await using directory = temporaryDirectory();
    const source = fileURLToPath(new URL('./enrolment-crash.fixture.ts', import.meta.url));
    const program = await bundleProgram(source, directory.file('program'));
    const answered: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) answered.push(...(await runAndKill(program, directory.path)));
    expect(answered.length).toBeGreaterThan(5);

    await using site = await openSite(directory.path);
    const certificates = (await site.all('certificate/')).map((value) => certificateRecord.parse(value));
    const fingerprints = new Set<string>(certificates.map(({ fingerprint }) => fingerprint));
    const issued = (await site.all('audit/row/')).flatMap((record) =>
      Object(record).action === 'certificate-issued' ? [String(Object(record).details.fingerprint)] : [],
    );
    expect(new Set(issued)).toEqual(fingerprints);
    expect(issued).toHaveLength(certificates.length);
    expect(await site.signer.audit.verify()).toMatchObject({ intact: true });

    const tokens = (await site.all('enrolment/')).map((value) => tokenRecord.parse(value));
    const spent = tokens.flatMap(({ use }) => (use === undefined ? [] : [use.fingerprint]));
    expect(new Set<string>(spent)).toEqual(fingerprints);
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(certificates.length);
    for (const line of answered) expect(fingerprints.has(line.split(' ')[1] ?? '')).toBe(true);
  }, 240_000);
});
