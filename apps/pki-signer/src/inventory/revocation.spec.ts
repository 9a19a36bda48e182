import type { KeyObject } from 'node:crypto';
import { certificateRevoked, type DeviceChange } from '@sallyport/protocol';
import { parseCrl } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { keyIdOf } from '../authority/authority.js';
import { csrFor, enrolmentOf, id, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';
import type { CertificateRecord } from './certificate-record.js';

const enrolled = async (site: TestSite, name = 'child01', csr = csrFor(name)) =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name }), csr));

const reasonsOf = async (site: TestSite, name: string) =>
  (await site.signer.inventory.list({ deviceId: id(name), limit: 10 })).records.map((r) => r.revocation?.reason);

const change = (site: TestSite, state: DeviceChange['state'], fingerprints: DeviceChange['fingerprints'] = []) => ({
  deviceId: id('child01'),
  state,
  fingerprints,
  changedAt: site.clock.now().toISOString(),
});

describe('revocation', () => {
  it.each(['fingerprint', 'serialNumber'] as const)('takes a certificate back by its %s', async (name) => {
    await using site = await openTestSite();
    const record = await enrolled(site);
    const revoked = await site.signer.revocation.revoke(record[name], 'keyCompromise', 'admin');
    expect(revoked.revocation).toEqual({ revokedAt: site.clock.now().toISOString(), reason: 'keyCompromise' });
  });

  it('is announced, and written into the audit log with who did it', async () => {
    await using site = await openTestSite();
    const { fingerprint } = await enrolled(site);
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    const { entries } = await site.store.list('outbox/');
    const message = Object(entries.at(-1)?.value);
    expect(message.topic).toBe('sallyport/v1/event/certificate-revoked');
    expect(certificateRevoked.payload.parse(message.payload)).toMatchObject({ fingerprint, reason: 'superseded' });
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.at(-1)).toMatchObject({ action: 'certificate-revoked', actor: 'admin' });
  });

  it('keeps its first date and reason when it is repeated', async () => {
    await using site = await openTestSite();
    const { fingerprint } = await enrolled(site);
    const first = await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    site.clock.advance(60);
    const second = await site.signer.revocation.revoke(fingerprint, 'keyCompromise', 'admin');
    expect(second.revocation).toEqual(first.revocation);
  });

  it('happens once when it is asked for ten times at once', async () => {
    await using site = await openTestSite();
    const { fingerprint } = await enrolled(site);
    const asked = Array.from({ length: 10 }, () => site.signer.revocation.revoke(fingerprint, 'unspecified', 'admin'));
    await Promise.all(asked);
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.filter(({ action }) => action === 'certificate-revoked')).toHaveLength(1);
  });

  it('of an unknown certificate says so', async () => {
    await using site = await openTestSite();
    const problem = await problemOf(site.signer.revocation.revoke('ab'.repeat(32), 'unspecified', 'admin'));
    expect(problem.message).toBe('No certificate has this fingerprint or serial number. See "sallyport device show".');
  });
});

describe('a key reported as compromised', () => {
  const renewed = (site: TestSite, { fingerprint, deviceId }: CertificateRecord, key: KeyObject) => {
    const connection = { channelBindings: () => [], remoteAddress: '127.0.0.1' };
    return site.signer.renewal.renew({ fingerprint, deviceId, csr: csrFor(deviceId, key), ...connection });
  };

  it('takes every certificate it stands in, and no certificate of another key', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const first = await enrolled(site, 'child01', csrFor('child01', key));
    const second = await renewed(site, first, key);
    const rekeyed = await renewed(site, first, newKey());
    await site.signer.revocation.revoke(first.fingerprint, 'keyCompromise', 'admin');
    const reasonOf = async ({ fingerprint }: CertificateRecord) =>
      (await site.signer.inventory.find(fingerprint)).record.revocation?.reason;
    expect([await reasonOf(first), await reasonOf(second), await reasonOf(rekeyed)]).toEqual([
      'keyCompromise',
      'keyCompromise',
      undefined,
    ]);
  });

  it('is blocked although the certificate was revoked for another reason before', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const { fingerprint } = await enrolled(site, 'child01', csrFor('child01', key));
    await site.signer.revocation.revoke(fingerprint, 'superseded', 'admin');
    for (let times = 0; times < 2; times += 1)
      await site.signer.revocation.revoke(fingerprint, 'keyCompromise', 'admin');
    expect((await problemOf(enrolled(site, 'child01', csrFor('child01', key)))).message).toBe(
      'This key was reported as compromised. Make a new key and send a new CSR.',
    );
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.filter(({ action }) => action === 'key-blocked')).toMatchObject([
      { actor: 'admin', subject: 'child01', details: { fingerprint } },
    ]);
  });
});

describe('an announcement of the device registry', () => {
  it.each([
    ['revoked', 'privilegeWithdrawn'],
    ['retired', 'cessationOfOperation'],
  ] as const)('that a device is %s takes every certificate it has', async (state, reason) => {
    await using site = await openTestSite();
    await enrolled(site);
    await enrolled(site);
    await enrolled(site, 'child02');
    await site.signer.revocation.follow(change(site, state));
    expect(await reasonsOf(site, 'child01')).toEqual([reason, reason]);
    expect(await reasonsOf(site, 'child02')).toEqual([undefined]);
  });

  it.each(['active', 'locked'] as const)('that a device is %s takes nothing', async (state) => {
    await using site = await openTestSite();
    await enrolled(site);
    await site.signer.revocation.follow(change(site, state));
    expect(await reasonsOf(site, 'child01')).toEqual([undefined]);
  });

  it('changes nothing when it comes a second time', async () => {
    await using site = await openTestSite();
    await enrolled(site);
    const revoked = change(site, 'revoked');
    await site.signer.revocation.follow(revoked);
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    await site.signer.revocation.follow(revoked);
    expect((await site.signer.audit.rows(0, 1000)).rows).toHaveLength(records.length);
  });

  it('that comes late leaves the certificate of a reinstated device alone', async () => {
    await using site = await openTestSite();
    await enrolled(site);
    const revoked = change(site, 'revoked');
    site.clock.advance(60);
    const reinstated = await enrolled(site);
    await site.signer.revocation.follow(revoked);
    expect((await site.signer.inventory.get(reinstated.fingerprint))?.record.revocation).toBeUndefined();
    expect(new Set(await reasonsOf(site, 'child01'))).toEqual(new Set(['privilegeWithdrawn', undefined]));
  });

  it('takes a certificate it names, though it was issued while the device was being revoked', async () => {
    await using site = await openTestSite();
    const before = change(site, 'revoked');
    site.clock.advance(1);
    const { fingerprint } = await enrolled(site);
    await site.signer.revocation.follow(before);
    expect(await reasonsOf(site, 'child01')).toEqual([undefined]);
    await site.signer.revocation.follow({ ...before, fingerprints: [fingerprint] });
    expect(await reasonsOf(site, 'child01')).toEqual(['privilegeWithdrawn']);
  });
});

describe('a device that was given up', () => {
  it('loses every certificate that it had, and the CRL of its CA names them', async () => {
    await using site = await openTestSite();
    const gained = [await enrolled(site), await enrolled(site)];
    await enrolled(site, 'child02');
    const order = { issuedUntil: site.clock.now(), actor: 'device-registry' };
    expect(await site.signer.revocation.revokeDevice(id('child01'), order)).toBe(2);
    expect(await reasonsOf(site, 'child01')).toEqual(['cessationOfOperation', 'cessationOfOperation']);
    expect(await reasonsOf(site, 'child02')).toEqual([undefined]);
    await site.signer.crls.buildDue();
    const crl = site.signer.crls.find(keyIdOf(site.signer.hierarchy.byId('device-1').certificate));
    const listed = parseCrl(crl?.der ?? Buffer.alloc(0)).entries.map(({ serialNumber }) => serialNumber);
    expect(listed.sort()).toEqual(gained.map(({ serialNumber }) => serialNumber).sort());
  });

  it('keeps what it got afterwards, also when the request comes late or twice', async () => {
    await using site = await openTestSite();
    await enrolled(site);
    const order = { issuedUntil: site.clock.now(), actor: 'device-registry' };
    site.clock.advance(1);
    await enrolled(site);
    expect(await site.signer.revocation.revokeDevice(id('child01'), order)).toBe(1);
    expect(await site.signer.revocation.revokeDevice(id('child01'), order)).toBe(0);
    expect((await reasonsOf(site, 'child01')).sort()).toEqual(['cessationOfOperation', undefined]);
  });

  it('takes nothing from an administrator of the same name', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01', profile: 'admin' });
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const order = { issuedUntil: site.clock.now(), actor: 'device-registry' };
    expect(await site.signer.revocation.revokeDevice(id('child01'), order)).toBe(0);
  });
});

describe('an OCF device that enrols again', () => {
  const name = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

  it('has one live identity: those of its other keys are superseded', async () => {
    await using site = await openTestSite();
    await enrolled(site, name);
    site.clock.advance(1);
    const present = await enrolled(site, name);
    const { records } = await site.signer.inventory.list({ deviceId: id(name), limit: 10 });
    expect(
      records.map(({ fingerprint, revocation }) => [fingerprint === present.fingerprint, revocation?.reason]),
    ).toEqual([
      [false, 'superseded'],
      [true, undefined],
    ]);
    expect((await site.store.list('superseded/')).entries).toEqual([]);
  });

  it('keeps a certificate of the same key, which is no other identity', async () => {
    await using site = await openTestSite();
    const key = newKey();
    await enrolled(site, name, csrFor(name, key));
    await enrolled(site, name, csrFor(name, key));
    expect(await reasonsOf(site, name)).toEqual([undefined, undefined]);
  });

  it('has one live identity also when the signer was killed before it could revoke', async () => {
    await using site = await openTestSite();
    const former = await enrolled(site, name);
    site.clock.advance(1);
    const present = await enrolled(site, name);
    const { revocation: _, ...live } = (await site.signer.inventory.find(former.fingerprint)).record;
    const debt = site.signer.superseded.debtOf(id(name), present.fingerprint, 'device:killed');
    await site.store.transaction([], [...site.signer.inventory.revocationOf(live), debt]);
    await site.signer.superseded.settleAll();
    expect((await reasonsOf(site, name)).sort()).toEqual(['superseded', undefined]);
  });

  it('keeps a renewal of the new identity, when the old one is revoked late', async () => {
    await using site = await openTestSite();
    const present = await enrolled(site, name);
    site.clock.advance(1);
    const request = { fingerprint: present.fingerprint, deviceId: id(name), csr: csrFor(name) };
    await site.signer.renewal.renew({ ...request, channelBindings: () => [], remoteAddress: '127.0.0.1' });
    const debt = site.signer.superseded.debtOf(id(name), present.fingerprint, 'device:late');
    await site.store.transaction([], [debt]);
    await site.signer.superseded.settleAll();
    expect(await reasonsOf(site, name)).toEqual([undefined, undefined]);
  });

  it('is different from another device, which may have several', async () => {
    await using site = await openTestSite();
    await enrolled(site);
    await enrolled(site);
    expect(await reasonsOf(site, 'child01')).toEqual([undefined, undefined]);
  });
});
