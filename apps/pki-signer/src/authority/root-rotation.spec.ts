import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore, scopedStore } from '@sallyport/store';
import { runProgram, TestCa } from '@sallyport/testkit';
import { type Certificate, parseCertificate, pemFromDer, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { issuedCertificates, publishedCertificates } from '../est/est-certificates.js';
import { day, enrolmentOf, openTestSite, problemOf, signerOptions, type TestSite } from '../signer.fixture.js';
import { openSigner } from '../signer.js';
import { dyingStore } from './dying-store.fixture.js';
import { rootSuccessionOf } from './followers.js';

const statesOf = ({ signer }: Pick<TestSite, 'signer'>) =>
  Object.fromEntries(signer.hierarchy.all.map(({ record }) => [record.id, record.state]));

const enrolled = async (site: TestSite, name: string) =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

const rotateRoot = (
  { signer }: Pick<TestSite, 'signer'>,
  options: { overlapSeconds?: number; atOnce?: boolean } = {},
) => signer.rotation.rotate({ purpose: 'root', ...options }, 'admin');

const rootOf = ({ signer }: Pick<TestSite, 'signer'>, id: string) => signer.hierarchy.byId(id).certificate;

const pem = (certificates: readonly (Certificate | Buffer)[]) =>
  certificates.map((each) => pemFromDer('CERTIFICATE', 'der' in each ? each.der : each)).join('');

function isSelfSigned(der: Buffer): boolean {
  const certificate = parseCertificate(der);
  return verifySignedBy(certificate, certificate);
}

/** OpenSSL's own verdict, with its strict checks, on the chain that a server of this site shows. */
async function opensslVerdict(site: TestSite, trusted: readonly Certificate[], shown: readonly Buffer[]) {
  const [anchors, chain] = [join(site.directory, 'anchors.pem'), join(site.directory, 'chain.pem')];
  await writeFile(anchors, pem(trusted));
  await writeFile(chain, pem(shown));
  const at = String(Math.floor(site.clock.now().getTime() / 1000));
  const args = ['verify', '-x509_strict', '-attime', at, '-CAfile', anchors, '-untrusted', chain, chain];
  const { exitCode, stderr } = await runProgram('openssl', args);
  return exitCode === 0 ? 'ok' : stderr;
}

describe('rotation of the root', () => {
  it('publishes a root and CAs below it for one life of a device certificate, then lets them sign', async () => {
    await using site = await openTestSite();
    await rotateRoot(site);
    const before = { 'device-1': 'active', 'root-1': 'active', 'service-1': 'active' };
    expect(statesOf(site)).toEqual({
      ...before,
      'device-2': 'published',
      'root-2': 'published',
      'service-2': 'published',
    });
    expect(site.signer.hierarchy.trustBundle.roots.map(({ subject }) => subject.text)).toEqual([
      'CN=Test Site Root G1,O=Test Site',
      'CN=Test Site Root G2,O=Test Site',
    ]);
    site.clock.advance(90 * day - 1);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child01')).issuer).toBe('device-1');
    site.clock.advance(1);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child02')).issuer).toBe('device-2');
    expect(statesOf(site)).toEqual({
      'device-1': 'retiring',
      'device-2': 'active',
      'root-1': 'retiring',
      'root-2': 'active',
      'service-1': 'retired',
      'service-2': 'active',
    });
    site.clock.advance(90 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'root-1': 'retired', 'device-1': 'retired', 'root-2': 'active' });
  });

  it('makes every chain verifiable, strictly, from the old root alone and from the new root alone', async () => {
    await using site = await openTestSite();
    const older = await enrolled(site, 'child01');
    await rotateRoot(site, { overlapSeconds: 0 });
    const newer = await enrolled(site, 'child02');
    const [one, two] = [rootOf(site, 'root-1'), rootOf(site, 'root-2')];
    const { hierarchy } = site.signer;
    const shown = issuedCertificates(hierarchy, newer);
    expect(shown.map((der) => parseCertificate(der).issuer.commonNames[0])).toEqual([
      'Test Site Device Issuing G2',
      'Test Site Root G2',
      'Test Site Root G1',
    ]);
    expect(await opensslVerdict(site, [one], shown)).toBe('ok');
    expect(await opensslVerdict(site, [two], shown)).toBe('ok');
    expect(await opensslVerdict(site, [one, two], shown)).toBe('ok');
    // RFC 7030 §4.1.3: the old root certified by the new one is published too.
    const between = publishedCertificates(hierarchy).filter((der) => !isSelfSigned(der));
    const all = [Buffer.from(older.certificate, 'base64'), ...between];
    expect(await opensslVerdict(site, [two], all)).toBe('ok');
    expect(await opensslVerdict(site, [one], issuedCertificates(hierarchy, older))).toBe('ok');
  });

  it('shows the way from an old root that has retired, until the old roots themselves end', async () => {
    await using site = await openTestSite();
    const oldest = rootOf(site, 'root-1');
    await rotateRoot(site, { overlapSeconds: 0 });
    site.clock.advance(365 * day);
    await rotateRoot(site, { overlapSeconds: 0 });
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'root-1': 'retired', 'root-2': 'retired', 'root-3': 'active' });
    const shown = issuedCertificates(site.signer.hierarchy, await enrolled(site, 'child01'));
    expect(shown).toHaveLength(4);
    expect(await opensslVerdict(site, [oldest], shown)).toBe('ok');
    site.clock.advance(19 * 365 * day + 6 * day);
    await site.signer.rotation.advance();
    expect(site.signer.hierarchy.chainOf(site.signer.hierarchy.signing('device'))).toHaveLength(1);
  });

  it('is followed by whoever renews, and says by name who has not', async () => {
    await using site = await openTestSite();
    const child = await enrolled(site, 'child01');
    await enrolled(site, 'child02');
    site.clock.advance(day);
    const { hierarchy, inventory } = site.signer;
    expect(await rootSuccessionOf(hierarchy, inventory)).toBeUndefined();
    await rotateRoot(site);
    expect(await rootSuccessionOf(hierarchy, inventory)).toEqual({
      root: 'root-2',
      publishedAt: site.clock.now().toISOString(),
      activatesAt: new Date(site.clock.now().getTime() + 90 * day * 1000).toISOString(),
      followed: 0,
      notFollowed: 2,
      notFollowedNames: ['child01', 'child02'],
    });
    site.clock.advance(1);
    const { csr } = enrolmentOf('child01', '');
    const connection = { channelBindings: () => [], remoteAddress: '::1' };
    await site.signer.renewal.renew({ fingerprint: child.fingerprint, deviceId: child.deviceId, csr, ...connection });
    const { followed, notFollowedNames } = (await rootSuccessionOf(hierarchy, inventory)) ?? {};
    expect([followed, notFollowedNames]).toEqual([1, ['child02']]);
  });

  it('does not wait for the rest of an overlap when the old root ends', async () => {
    await using site = await openTestSite();
    for (const days of [20 * 365 - 800, 740]) {
      site.clock.advance(days * day);
      await site.signer.rotation.advance();
    }
    await rotateRoot(site);
    expect(statesOf(site)).toMatchObject({ 'root-2': 'active', 'device-3': 'active' });
    const { notAfter } = await enrolled(site, 'child01');
    expect(Math.ceil((Date.parse(notAfter) - site.clock.now().getTime()) / 1000)).toBe(90 * day);
  });

  it('lets a site whose root has ended issue again', async () => {
    await using site = await openTestSite();
    site.clock.advance(21 * 365 * day);
    const refused = await problemOf(enrolled(site, 'child01'));
    expect(refused.message).toContain('Make the next root: sallyport ca rotate --purpose root.');
    await rotateRoot(site);
    expect((await enrolled(site, 'child01')).issuer).toBe('device-2');
    expect(site.signer.hierarchy.crossCertificates).toEqual([]);
  });

  it('is one at a time, and goes together with the rotation of an issuing CA', async () => {
    await using site = await openTestSite();
    await site.signer.rotation.rotate({ purpose: 'device', overlapSeconds: 120 * day }, 'admin');
    await rotateRoot(site, { overlapSeconds: 30 * day });
    expect((await problemOf(rotateRoot(site))).message).toContain('Root "root-2" already waits');
    site.clock.advance(31 * day);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child01')).issuer).toBe('device-3');
    site.clock.advance(100 * day);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child02')).issuer).toBe('device-3');
    expect(statesOf(site)).toMatchObject({ 'device-2': 'retired', 'device-3': 'active' });
  });

  it('at once also believes no root that has certified the stolen one, and says who needs a certificate', async () => {
    await using site = await openTestSite();
    await enrolled(site, 'child01');
    site.clock.advance(1);
    await rotateRoot(site, { overlapSeconds: 0 });
    await enrolled(site, 'child02');
    expect(statesOf(site)).toMatchObject({ 'root-1': 'retiring', 'root-2': 'active' });
    site.clock.advance(1);
    await rotateRoot(site, { atOnce: true });
    expect(statesOf(site)).toMatchObject({ 'root-1': 'retired', 'root-2': 'retired', 'root-3': 'active' });
    expect(site.signer.hierarchy.trustBundle.roots).toHaveLength(1);
    const { hierarchy, inventory } = site.signer;
    const succession = await rootSuccessionOf(hierarchy, inventory);
    expect(succession).toMatchObject({ root: 'root-3', notFollowedNames: ['child01', 'child02'] });
  });

  it('at once believes nothing any more that the old root vouched for, also after a restart', async () => {
    await using site = await openTestSite();
    await enrolled(site, 'child01');
    await rotateRoot(site, { atOnce: true });
    const restarted = await site.restart();
    await restarted.rotation.advance();
    const { hierarchy } = restarted;
    expect(statesOf({ signer: restarted })).toEqual({
      'device-1': 'retired',
      'device-2': 'active',
      'root-1': 'retired',
      'root-2': 'active',
      'service-1': 'retired',
      'service-2': 'active',
    });
    const published = publishedCertificates(hierarchy).map((der) => parseCertificate(der));
    const old = rootOf(site, 'root-1');
    expect(published.some((each) => verifySignedBy(each, old))).toBe(false);
    expect(published).toHaveLength(3);
  });

  it('that took place after an older copy of the store was made is not undone when that copy is restored', async () => {
    await using site = await openTestSite();
    const { clock, settings, registry, directory } = site;
    const copy = join(directory, 'older.db');
    new DatabaseSync(join(directory, 'store.db')).exec(`VACUUM INTO '${copy}'`);
    await rotateRoot(site, { atOnce: true });
    const older = await openSqliteStore({ file: copy });
    const store = scopedStore(older, 'pki-signer/');
    const signer = await openSigner(signerOptions({ store, clock, settings, registry }));
    await signer.rotation.advance();
    expect(statesOf({ signer })).toMatchObject({ 'root-1': 'retired', 'device-1': 'retired', 'root-2': 'active' });
    expect(signer.hierarchy.trustBundle.roots.map(({ fingerprint }) => fingerprint)).toEqual([
      rootOf(site, 'root-2').fingerprint,
    ]);
    await older.close();
  });

  // Five intentions (root, two issuing CAs, both certificates across), then everything in one transaction.
  it.each([1, 2, 3, 4, 5, 6].flatMap((n) => [[n, 'before'] as const, [n, 'after'] as const]))(
    'that dies at transaction %i, %s the write, can be asked for again and leaves one next root',
    async (transactions, moment) => {
      await using site = await openTestSite();
      const { clock, settings, registry } = site;
      const store = dyingStore(site.store, transactions, moment);
      const killed = await openSigner(signerOptions({ store, clock, settings, registry }));
      await rotateRoot({ signer: killed }).catch(() => undefined);
      const signer = await site.restart();
      if (!signer.hierarchy.all.some(({ record }) => record.id === 'root-2')) await rotateRoot({ signer });
      expect(statesOf({ signer })).toMatchObject({ 'root-2': 'published', 'device-2': 'published' });
      clock.advance(90 * day);
      await signer.rotation.advance();
      const { record } = signer.hierarchy.rootOf(signer.hierarchy.signing('service'));
      expect([record.id, record.state]).toEqual(['root-2', 'active']);
      expect(await signer.audit.verify()).toMatchObject({ intact: true });
    },
  );
});

describe('import of a root with another key', () => {
  it('has an overlap and certificates across, as a rotation has', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create({ commonName: 'Acme Root', notAfter: new Date('2045-01-01T00:00:00Z') });
    const bundle = Buffer.from(ca.certPem + ca.certificate.keyPem).toString('base64');
    await site.signer.importer.import({ purpose: 'root', bundle }, 'admin');
    expect(statesOf(site)).toMatchObject({ 'root-1': 'active', 'root-2': 'published', 'device-2': 'published' });
    site.clock.advance(90 * day);
    await site.signer.rotation.advance();
    const shown = issuedCertificates(site.signer.hierarchy, await enrolled(site, 'child01'));
    expect(await opensslVerdict(site, [rootOf(site, 'root-1')], shown)).toBe('ok');
    expect(await opensslVerdict(site, [rootOf(site, 'root-2')], shown)).toBe('ok');
  });
});
