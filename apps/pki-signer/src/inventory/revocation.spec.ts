import { certificateRevoked, type DeviceChange } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { enrolmentOf, id, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const enrolled = async (site: TestSite, name = 'child01') =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

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
});
