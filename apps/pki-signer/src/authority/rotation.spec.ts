import { TestCa } from '@sallyport/testkit';
import { parseCertificate, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { day, enrolmentOf, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';
import { keyIdOf } from './authority.js';

const statesOf = ({ signer }: TestSite) =>
  Object.fromEntries(signer.hierarchy.all.map(({ record }) => [record.id, record.state]));

const enrolled = async (site: TestSite, name: string) =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

const rotate = ({ signer }: TestSite, overlapSeconds = 0) =>
  signer.rotation.rotate({ purpose: 'device', overlapSeconds }, 'admin');

/** A root about to be imported. */
async function readyImport({ signer }: TestSite) {
  await using ca = await TestCa.create({ commonName: 'Acme Root', notAfter: new Date('2045-01-01T00:00:00Z') });
  const bundle = Buffer.from(ca.certPem + ca.certificate.keyPem).toString('base64');
  return () => signer.importer.import({ purpose: 'root', bundle }, 'admin');
}

/** Another signer about to rotate. */
async function readyReplica(site: TestSite) {
  const { rotation } = await site.restart();
  return () => rotation.rotate({ purpose: 'device', overlapSeconds: 0 }, 'admin');
}

describe('rotation of an issuing CA', () => {
  it('lets the new CA sign and keeps the old one in the trust bundle', async () => {
    await using site = await openTestSite();
    const before = await enrolled(site, 'child01');
    await rotate(site);
    const after = await enrolled(site, 'child02');
    expect([before.issuer, after.issuer]).toEqual(['device-1', 'device-2']);
    expect(statesOf(site)).toEqual({
      'device-1': 'retiring',
      'device-2': 'active',
      'root-1': 'active',
      'service-1': 'active',
    });
    const { issuing, retiring } = site.signer.hierarchy.trustBundle;
    expect([issuing.length, retiring.length]).toEqual([2, 1]);
  });

  it('publishes the new CA for the overlap before it signs', async () => {
    await using site = await openTestSite();
    await rotate(site, 7 * day);
    expect(statesOf(site)).toMatchObject({ 'device-1': 'active', 'device-2': 'published' });
    expect(site.signer.hierarchy.trustBundle.issuing).toHaveLength(3);
    site.clock.advance(7 * day - 1);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child01')).issuer).toBe('device-1');
    site.clock.advance(1);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child02')).issuer).toBe('device-2');
  });

  it('lets a device renew a certificate of the old CA', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site, 'child01');
    await rotate(site);
    const { csr } = enrolmentOf('child01', '');
    const { fingerprint, deviceId } = old;
    const connection = { channelBindings: () => [], remoteAddress: '127.0.0.1' };
    const renewed = await site.signer.renewal.renew({ fingerprint, deviceId, csr, ...connection });
    expect(renewed.issuer).toBe('device-2');
    const leaf = parseCertificate(Buffer.from(renewed.certificate, 'base64'));
    expect(verifySignedBy(leaf, site.signer.hierarchy.byId('device-2').certificate)).toBe(true);
  });

  it('retires the old CA when the last certificate it issued has expired, not before', async () => {
    await using site = await openTestSite();
    await enrolled(site, 'child01');
    await rotate(site);
    site.clock.advance(90 * day - 1);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retiring' });
    site.clock.advance(2);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retired', 'device-2': 'active' });
    expect(site.signer.hierarchy.trustBundle.retiring).toEqual([]);
  });

  it('takes the old CA back into the trust bundle when it was retired by a clock that was ahead', async () => {
    await using site = await openTestSite();
    await enrolled(site, 'child01');
    await rotate(site);
    site.clock.advance(185 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retired' });
    site.clock.advance(-185 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retiring', 'device-2': 'active' });
    expect(site.signer.hierarchy.trustBundle.retiring).toHaveLength(1);
  });

  it('leaves the old CA able to sign its CRL', async () => {
    await using site = await openTestSite();
    const { fingerprint } = await enrolled(site, 'child01');
    await rotate(site);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    await site.signer.crls.buildDue();
    const keyId = (ca: string) => keyIdOf(site.signer.hierarchy.byId(ca).certificate);
    expect(keyId('device-1')).not.toBe(keyId('device-2'));
    expect(site.signer.crls.find(keyId('device-1'))).toBeDefined();
    expect(site.signer.crls.find(keyId('device-2'))).toBeDefined();
  });

  it('raises the version of the trust bundle and announces it', async () => {
    await using site = await openTestSite();
    const before = site.signer.hierarchy.trustBundle;
    await rotate(site);
    const after = site.signer.hierarchy.trustBundle;
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.digest).not.toBe(before.digest);
    const { entries } = await site.store.list('outbox/');
    expect(entries.at(-1)?.value).toEqual({
      topic: 'sallyport/v1/event/trust-bundle-changed',
      payload: { version: after.version },
    });
  });

  it('is one at a time for each purpose', async () => {
    await using site = await openTestSite();
    await rotate(site, day);
    expect((await problemOf(rotate(site))).message).toBe('CA "device-2" already waits to become the active device CA.');
    await site.signer.rotation.rotate({ purpose: 'service', overlapSeconds: 0 }, 'admin');
    expect(statesOf(site)).toMatchObject({ 'service-1': 'retired', 'service-2': 'active' });
  });

  it.each([
    ['another rotation', async (site: TestSite) => () => rotate(site)],
    ['an import', readyImport],
    ['a rotation of another signer on the same store', readyReplica],
  ])('leaves one next CA when %s happens at the same time', async (_case, prepare) => {
    await using site = await openTestSite();
    const other = await prepare(site);
    const changes = await Promise.allSettled([rotate(site), other()]);
    expect(changes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    const issued = records.filter(({ action, subject }) => action === 'authority-issued' && subject === 'device-2');
    expect(issued).toHaveLength(1);
    await site.signer.hierarchy.load();
    const { certificate } = site.signer.hierarchy.signing('device');
    expect(issued[0]?.details).toMatchObject({ fingerprint: certificate.fingerprint });
  });

  it('happens by itself before certificates would have to be cut short', async () => {
    await using site = await openTestSite();
    site.clock.advance((5 * 365 - 181) * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toEqual({ 'device-1': 'active', 'root-1': 'active', 'service-1': 'active' });
    site.clock.advance(2 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'active', 'device-2': 'published', 'service-1': 'active' });
    site.clock.advance(23 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-2': 'active' });
    const { notAfter } = await enrolled(site, 'child01');
    expect(Date.parse(notAfter) - site.clock.now().getTime()).toBeGreaterThan(89 * day * 1000);
  });

  it.each([
    ['woke with too little left of its CA for one whole life', 5 * 365 - 30],
    ['slept until after the end of its CA', 5 * 365 + 30],
  ])('lets a signer that %s sign at once', async (_case, days) => {
    await using site = await openTestSite();
    site.clock.advance(days * day);
    await site.signer.rotation.advance();
    expect((await enrolled(site, 'child01')).issuer).toBe('device-2');
  });

  it('makes no CA after CA when the root itself is about to end', async () => {
    await using site = await openTestSite();
    for (const days of [20 * 365 - 100, 90]) {
      site.clock.advance(days * day);
      await site.signer.rotation.advance();
    }
    expect(statesOf(site)).toMatchObject({ 'device-2': 'active', 'service-2': 'active' });
    expect(statesOf(site)).not.toHaveProperty('device-3');
  });

  it('passes over a CA whose root is held elsewhere', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create({ commonName: 'Acme Root', notAfter: new Date('2045-01-01T00:00:00Z') });
    const notAfter = new Date(site.clock.now().getTime() + 5 * 365 * day * 1000);
    await using issuing = await root.intermediate({ commonName: 'Acme Devices', notAfter });
    const bundle = Buffer.from(issuing.certificate.certPem + issuing.certificate.keyPem + root.certPem);
    await site.signer.importer.import({ purpose: 'device', bundle: bundle.toString('base64') }, 'admin');
    site.clock.advance((5 * 365 - 30) * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-2': 'active', 'service-2': 'active' });
  });

  it('ends the overlap before the old CA would have to cut certificates short', async () => {
    await using site = await openTestSite();
    site.clock.advance((5 * 365 - 200) * day);
    await rotate(site, 365 * day);
    site.clock.advance(109 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'active', 'device-2': 'published' });
    site.clock.advance(2 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retired', 'device-2': 'active' });
  });

  it('reaches a replica that still signed with the old CA', async () => {
    await using site = await openTestSite();
    const replica = await site.restart();
    await rotate(site);
    const token = await site.token({ deviceId: 'child01' });
    expect((await replica.enrolment.enrol(enrolmentOf('child01', token))).issuer).toBe('device-2');
  });
});
