import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { TestClock, temporaryDirectory } from '@sallyport/testkit';
import { lintCertificate, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { openTestSite, problemOf, signerOptions, TestRegistry, testSettings } from '../signer.fixture.js';
import { openSigner } from '../signer.js';
import { dyingStore } from './dying-store.fixture.js';

async function place() {
  const directory = temporaryDirectory();
  const store = scopedStore(await openSqliteStore({ file: directory.file('store.db') }), 'pki-signer/');
  const parts = { clock: new TestClock(), settings: testSettings(directory.path), registry: new TestRegistry() };
  return {
    open: (onStore: Store = store) => openSigner(signerOptions({ ...parts, store: onStore })),
    store,
    [Symbol.asyncDispose]: () => directory.remove(),
  };
}

describe('the first start', () => {
  it('makes a root on P-384 for 20 years and two issuing CAs on P-256 for 5', async () => {
    await using site = await openTestSite();
    const described = site.signer.hierarchy.all.map(({ record, certificate }) => ({
      id: record.id,
      state: record.state,
      subject: certificate.subject.text,
      key: certificate.key,
      pathLength: certificate.pathLength,
      days: Math.round((certificate.notAfter.getTime() - site.clock.now().getTime()) / 86_400_000),
    }));
    const issuing = { state: 'active', key: { type: 'ec', curve: 'P-256' }, pathLength: 0, days: 5 * 365 };
    expect(described).toEqual([
      { ...issuing, id: 'device-1', subject: 'CN=Test Site Device Issuing G1,O=Test Site' },
      {
        ...issuing,
        id: 'root-1',
        subject: 'CN=Test Site Root G1,O=Test Site',
        key: { type: 'ec', curve: 'P-384' },
        pathLength: undefined,
        days: 20 * 365,
      },
      { ...issuing, id: 'service-1', subject: 'CN=Test Site Service Issuing G1,O=Test Site' },
    ]);
  });

  it('makes CAs the linter has nothing against, signed by the root', async () => {
    await using site = await openTestSite();
    const root = site.signer.hierarchy.byId('root-1').certificate;
    for (const { certificate, record } of site.signer.hierarchy.all) {
      const issuer = record.purpose === 'root' ? undefined : root;
      expect(lintCertificate(certificate, issuer).filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(verifySignedBy(certificate, root)).toBe(true);
    }
  });

  it('announces version 1 of the trust bundle', async () => {
    await using site = await openTestSite();
    const { entries } = await site.store.list('outbox/');
    expect(entries.map(({ value }) => value)).toContainEqual({
      topic: 'sallyport/v1/event/trust-bundle-changed',
      payload: { version: 1 },
    });
  });

  it('writes every CA signature into the audit log, before and after', async () => {
    await using site = await openTestSite();
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    const actions = records.map(({ action, subject }) => `${action} ${subject}`);
    const ids = ['root-1', 'device-1', 'service-1'];
    expect(actions).toEqual([
      ...ids.map((id) => `authority-intended ${id}`),
      ...ids.map((id) => `authority-issued ${id}`),
    ]);
  });

  it('is the only one: a restart finds the same CAs', async () => {
    await using site = await openTestSite();
    const restarted = await site.restart();
    const fingerprints = (signer: typeof restarted) => signer.hierarchy.all.map((a) => a.certificate.fingerprint);
    expect(fingerprints(restarted)).toEqual(fingerprints(site.signer));
    expect(restarted.hierarchy.trustBundle.version).toBe(1);
  });

  it('leaves one hierarchy when two signers start at once', async () => {
    await using site = await place();
    const signers = await Promise.all([site.open(), site.open()]);
    const roots = signers.map(({ hierarchy }) => hierarchy.trustBundle.roots.map(({ fingerprint }) => fingerprint));
    expect(roots[0]).toEqual(roots[1]);
    expect(roots[0]).toHaveLength(1);
  });

  // Four transactions: three intentions and the hierarchy itself.
  it.each([1, 2, 3, 4].flatMap((n) => [[n, 'before'] as const, [n, 'after'] as const]))(
    'that dies at transaction %i, %s the write, leaves one whole hierarchy to the next',
    async (transactions, moment) => {
      await using site = await place();
      await site.open(dyingStore(site.store, transactions, moment)).catch(() => undefined);
      const signer = await site.open();
      expect(signer.hierarchy.all.map(({ record }) => record.id)).toEqual(['device-1', 'root-1', 'service-1']);
      for (const { keyName } of signer.hierarchy.all.map(({ record }) => record)) await signer.keys.open(keyName ?? '');
      expect(signer.hierarchy.rootOf(signer.hierarchy.signing('device')).record.id).toBe('root-1');
      expect(await signer.audit.verify()).toMatchObject({ intact: true });
    },
  );
});

describe('a start with a hierarchy', () => {
  it.each([
    ['the passphrase file is of another installation', 'passphraseFile', undefined],
    ['the key of the device CA is gone', 'keyDirectory', 'device-1.key.pem'],
    ['the key of the service CA is gone', 'keyDirectory', 'service-1.key.pem'],
  ] as const)('is refused when %s', async (_case, file, name) => {
    await using site = await openTestSite();
    const path = site.settings.files[file];
    if (name === undefined) await writeFile(path, 'ab'.repeat(32));
    else await rm(join(path, name));
    const problem = await problemOf(site.restart());
    expect(problem.type).toBe('signing-key-unavailable');
    expect(problem.message).not.toContain(site.directory);
  });

  it('does without the key of the root', async () => {
    await using site = await openTestSite();
    await rm(join(site.settings.files.keyDirectory, 'root-1.key.pem'));
    await site.restart();
  });
});
