import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeSiteMarker } from '@sallyport/identity';
import { type SiteMarker, siteId, siteMarker } from '@sallyport/protocol';
import { openRedisStore, openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { mustRun, spawnRedis, TestClock, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { enrolmentOf, openTestSite, problemOf, signerOptions, TestRegistry, testSettings } from '../signer.fixture.js';
import { openSigner } from '../signer.js';
import type { SignerFiles } from '../signer-settings.js';

const markerOf = async ({ markerFile }: SignerFiles) =>
  siteMarker.parse(JSON.parse(await readFile(markerFile, 'utf8')));

/** Opens a signer on the files of a site and on another store. */
async function onEmptyStore<Result>(directory: string, work: (store: Store) => Promise<Result>): Promise<Result> {
  const whole = await openSqliteStore({ file: join(directory, 'empty.db') });
  try {
    return await work(scopedStore(whole, 'pki-signer/'));
  } finally {
    await whole.close();
  }
}

const openOn = (store: Store, directory: string) =>
  openSigner(
    signerOptions({ store, clock: new TestClock(), settings: testSettings(directory), registry: new TestRegistry() }),
  );

async function everythingIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true });
  return entries.filter((name) => !name.includes('.db')).toSorted();
}

describe('a site', () => {
  it('is not founded by a clock that was never set, and leaves nothing behind that looks like one', async () => {
    await using directory = temporaryDirectory();
    const clock = new TestClock();
    clock.advance((Date.parse('1970-01-02T00:00:00Z') - clock.now().getTime()) / 1000);
    const registry = new TestRegistry();
    const settings = testSettings(directory.path);
    await onEmptyStore(directory.path, async (store) => {
      const problem = await problemOf(openSigner(signerOptions({ store, clock, settings, registry })));
      expect(problem).toMatchObject({ type: 'unavailable' });
      expect(problem.message).toContain('The clock of this machine says 1970-01-02T00:00:00.000Z');
      expect(await everythingIn(directory.path)).toEqual([]);
      clock.advance((Date.parse('2026-06-01T00:00:00Z') - clock.now().getTime()) / 1000);
      await openSigner(signerOptions({ store, clock, settings, registry }));
    });
    expect((await markerOf(settings.files)).state).toBe('founded');
  });

  it('has a marker beside its configuration from the first start on, of the id the store has', async () => {
    await using site = await openTestSite();
    const { siteId, state } = await markerOf(site.settings.files);
    expect(state).toBe('founded');
    expect((await site.store.get('site'))?.value).toMatchObject({ siteId, distrusted: [] });
  });

  it('that an older version founded gets its marker at the next start, and keeps its CAs', async () => {
    await using site = await openTestSite();
    const { rootFingerprint } = site.signer.hierarchy;
    await rm(site.settings.files.markerFile);
    await site.store.delete('site');
    const signer = await site.restart();
    expect(signer.hierarchy.rootFingerprint).toBe(rootFingerprint);
    const { siteId, foundedAt } = await markerOf(site.settings.files);
    expect((await site.store.get('site'))?.value).toMatchObject({ siteId, foundedAt });
    expect(foundedAt).toBe(signer.hierarchy.byId('root-1').certificate.notBefore.toISOString());
  });

  it('gets a lost marker back', async () => {
    await using site = await openTestSite();
    const before = await markerOf(site.settings.files);
    await rm(site.settings.files.markerFile);
    await site.restart();
    expect(await markerOf(site.settings.files)).toEqual(before);
  });
});

describe('a start with part of a site lost', () => {
  const nothing = async () => undefined;
  const cases: readonly (readonly [string, (files: SignerFiles) => Promise<unknown>, string])[] = [
    ['the store', nothing, 'CA keys (pki/keys in the data directory); their passphrase'],
    ['the store and the marker', ({ markerFile }) => rm(markerFile), 'CA keys (pki/keys in the data directory)'],
    ['the whole data directory', ({ keyDirectory }) => rm(keyDirectory, { recursive: true }), 'the marker of site '],
    [
      'all but the keys',
      ({ passphraseFile }) => rm(dirname(passphraseFile), { recursive: true }),
      'CA keys (pki/keys in the data directory)',
    ],
    [
      'all but the marker',
      async ({ keyDirectory, passphraseFile, pepperFile }) => {
        for (const path of [keyDirectory, passphraseFile, pepperFile]) await rm(path, { recursive: true });
      },
      'the marker of site ',
    ],
    [
      'all but the passphrase',
      async ({ keyDirectory, markerFile, pepperFile }) => {
        for (const path of [keyDirectory, markerFile, pepperFile]) await rm(path, { recursive: true });
      },
      'Found: their passphrase (pki/key-passphrase). Missing',
    ],
    [
      'all but the certificates of services',
      async ({ serviceCertificates, ...files }) => {
        await mkdir(join(serviceCertificates, 'agent'), { recursive: true });
        await writeFile(join(serviceCertificates, 'agent', 'certificate.pem'), '');
        for (const path of Object.values(files)) await rm(path, { recursive: true, force: true });
      },
      'Found: certificates of services (service-certs). Missing',
    ],
  ];

  it.each(cases)('is refused, and changes nothing, when %s is gone', async (_case, lose, found) => {
    await using site = await openTestSite();
    await lose(site.settings.files);
    const before = await everythingIn(site.directory);
    await onEmptyStore(site.directory, async (store) => {
      const problem = await problemOf(openOn(store, site.directory));
      expect(problem.type).toBe('site-incomplete');
      expect(problem.message).toContain(found);
      expect(problem.message).toContain('Restore the store from its backup');
      expect(problem.message).toContain('sallyport site refound');
      expect(problem.message).not.toContain(site.directory);
      expect((await store.list('')).entries).toEqual([]);
    });
    expect(await everythingIn(site.directory)).toEqual(before);
  });

  it('is refused when the store is of another site', async () => {
    await using site = await openTestSite();
    const marker = await markerOf(site.settings.files);
    const other = { ...marker, siteId: siteId.parse('ab'.repeat(16)) };
    await writeSiteMarker(site.settings.files.markerFile, other);
    const problem = await problemOf(site.restart());
    expect(problem.type).toBe('site-incomplete');
    expect(problem.message).toContain(`The store holds site ${marker.siteId}`);
    expect(problem.message).toContain(`belongs to site ${other.siteId}`);
  });

  it('is refused when the passphrase is gone, and makes no other in its place', async () => {
    await using site = await openTestSite();
    await rm(site.settings.files.passphraseFile);
    await rm(site.settings.files.keyDirectory, { recursive: true });
    const problem = await problemOf(site.restart());
    expect([problem.type, problem.message]).toEqual([
      'signing-key-unavailable',
      'The store knows this site, but the passphrase of its CA keys (pki/key-passphrase in the state directory) is missing. Restore it from the backup of the state directory (state.path), or correct state.path. Without a backup: sallyport site refound, which makes a new CA and distrusts all that the old one issued.',
    ]);
    await expect(readFile(site.settings.files.passphraseFile)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is refused when the keys are of another site', async () => {
    await using site = await openTestSite();
    await using other = await openTestSite();
    // Every test site is a copy of one; this one has a CA of its own.
    await other.signer.rotation.rotate({ purpose: 'device', overlapSeconds: 0 }, 'admin');
    const keyOf = (id: string) => join(other.settings.files.keyDirectory, `${id}.key.pem`);
    await cp(keyOf('device-2'), join(site.settings.files.keyDirectory, 'device-1.key.pem'));
    const problem = await problemOf(site.restart());
    expect(problem.type).toBe('signing-key-unavailable');
    expect(problem.message).toContain('keys and store are of different sites');
  });

  it('is refused when the marker is damaged', async () => {
    await using site = await openTestSite();
    await writeFile(site.settings.files.markerFile, '{"siteId":');
    expect((await problemOf(site.restart())).type).toBe('site-incomplete');
  });
});

describe('a site on Redis', () => {
  it.each([
    ['the server was emptied', '/0'],
    ['store.url names another database', '/1'],
  ])('is not founded anew when %s', async (_case, database) => {
    await using directory = temporaryDirectory();
    const redis = await spawnRedis();
    const open = async (path: string) => {
      const whole = await openRedisStore({ url: `${redis.url}${path}` });
      return openOn(scopedStore(whole, 'pki-signer/'), directory.path).finally(() => whole.close());
    };
    try {
      await open('/0');
      await open('/0');
      if (database === '/0') await mustRun('redis-cli', ['-u', redis.url, 'flushall']);
      expect(await problemOf(open(database))).toMatchObject({ type: 'site-incomplete' });
    } finally {
      await redis.kill();
    }
  });
});

describe('a signer whose store is emptied while it runs', () => {
  it('signs nothing more, makes no CA, and says what happened', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const record = (await site.store.get('enrolment/child01'))?.value ?? null;
    const { entries } = await site.store.list('', { limit: 1000 });
    for (const { key } of entries) await site.store.delete(key);
    await site.store.put('enrolment/child01', record);
    const problem = await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', token)));
    expect([problem.type, problem.message]).toEqual([
      'site-incomplete',
      'The store has lost the CAs of this site: it was emptied or exchanged. Restore it from its backup.',
    ]);
    expect((await site.store.list('authority/')).entries).toEqual([]);
    expect(await problemOf(site.restart())).toMatchObject({ type: 'site-incomplete' });
  });
});

describe('a founding after another', () => {
  it('is in the audit log, and makes CAs of its own with keys of its own', async () => {
    await using directory = temporaryDirectory();
    const { files } = testSettings(directory.path);
    const marker: SiteMarker = {
      siteId: siteId.parse('cd'.repeat(16)),
      foundedAt: '2026-06-01T12:00:00.000Z',
      distrusted: [],
      state: 'founding',
      replaces: siteId.parse('ab'.repeat(16)),
    };
    await writeSiteMarker(files.markerFile, marker);
    await onEmptyStore(directory.path, async (store) => {
      const signer = await openOn(store, directory.path);
      const { rows } = await signer.audit.rows(0, 100);
      expect(rows.filter(({ action }) => action === 'site-refounded')).toMatchObject([
        { actor: 'operator', subject: marker.siteId, details: { replaces: marker.replaces, distrustedAuthorities: 0 } },
      ]);
      expect((await store.get('site'))?.value).toMatchObject({ siteId: marker.siteId });
      expect((await markerOf(files)).state).toBe('founded');
    });
  });
});
