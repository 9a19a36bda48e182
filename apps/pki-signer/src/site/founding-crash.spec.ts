import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { siteMarker } from '@sallyport/protocol';
import { openSqliteStore, scopedStore } from '@sallyport/store';
import { bundleProgram, TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { signerOptions, TestRegistry, testSettings } from '../signer.fixture.js';
import { openSigner } from '../signer.js';

// Each is written during a founding, in this order.
const steps = [
  'store.db',
  'config/site/pki-signer.json',
  'config/key-passphrase',
  'config/token-pepper',
  'data/keys/root-1.key.pem',
  'data/keys/device-1.key.pem',
  'data/keys/service-1.key.pem',
] as const;

/** Opens a signer. */
const source = fileURLToPath(new URL('../enrolment/enrolment-crash.fixture.ts', import.meta.url));

/** Starts a signer and kills it as soon as the file is there. */
async function killedAt(program: string, site: string, step: string): Promise<void> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, site], { stdio: 'ignore' });
  const closed = once(child, 'close');
  await waitFor(() => existsSync(`${site}/${step}`), { what: step, deadlineMs: 60_000 });
  child.kill('SIGKILL');
  const [exitCode] = await closed;
  // It only ever ends by our hand.
  expect(exitCode).toBeNull();
}

async function markerIn(site: string) {
  const text = await readFile(`${site}/config/site/pki-signer.json`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : siteMarker.parse(JSON.parse(text));
}

describe('a founding in a process that is killed', () => {
  it('is finished by the next start, after a kill at each of its steps', async () => {
    await using directory = temporaryDirectory();
    const program = await bundleProgram(source, directory.file('program'));
    for (const [index, step] of steps.entries()) {
      const site = directory.file(`site-${index}`);
      await killedAt(program, site, step);
      const begun = await markerIn(site);
      const whole = await openSqliteStore({ file: `${site}/store.db` });
      const parts = { clock: new TestClock(), settings: testSettings(site), registry: new TestRegistry() };
      const signer = await openSigner(signerOptions({ ...parts, store: scopedStore(whole, 'pki-signer/') }));
      expect(signer.hierarchy.all.map(({ record }) => record.id)).toEqual(['device-1', 'root-1', 'service-1']);
      expect(await signer.audit.verify()).toMatchObject({ intact: true });
      const ended = await markerIn(site);
      expect(ended?.state).toBe('founded');
      if (begun !== undefined) expect(ended?.siteId).toBe(begun.siteId);
      await whole.close();
    }
  }, 240_000);
});
