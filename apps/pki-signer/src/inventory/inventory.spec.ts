import { newSerialNumber } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { day, enrolmentOf, id, openTestSite, problemOf, type TestSite, turnsDuring } from '../signer.fixture.js';
import { describeRecord } from './certificate-record.js';

const enrolled = async (site: TestSite, name: string) =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

const namesOf = (records: readonly { readonly deviceId: string }[]) => records.map(({ deviceId }) => deviceId);

describe('certificate inventory', () => {
  it('lists certificates by end date, soonest first, page by page', async () => {
    await using site = await openTestSite();
    for (const name of ['child01', 'child02', 'child03']) {
      await enrolled(site, name);
      site.clock.advance(1);
    }
    const first = await site.signer.inventory.list({ limit: 2 });
    expect(namesOf(first.records)).toEqual(['child01', 'child02']);
    const second = await site.signer.inventory.list({ limit: 2, cursor: first.cursor });
    expect([namesOf(second.records), second.cursor]).toEqual([['child03'], undefined]);
  });

  it('lists those that end before a moment', async () => {
    await using site = await openTestSite();
    await enrolled(site, 'child01');
    site.clock.advance(day);
    for (const name of ['child02', 'child03']) await enrolled(site, name);
    const expiresBefore = new Date(site.clock.now().getTime() + 89.5 * day * 1000).toISOString();
    const { records, cursor } = await site.signer.inventory.list({ expiresBefore, limit: 1 });
    expect([namesOf(records), cursor]).toEqual([['child01'], expect.any(String)]);
    const rest = await site.signer.inventory.list({ expiresBefore, limit: 1, cursor });
    expect(rest).toEqual({ records: [] });
  });

  it('lists those of one device, and of no device whose name begins alike', async () => {
    await using site = await openTestSite();
    for (const name of ['child', 'child01', 'child01']) await enrolled(site, name);
    const { records } = await site.signer.inventory.list({ deviceId: id('child'), limit: 100 });
    expect(namesOf(records)).toEqual(['child']);
  });

  it('finds a certificate by its serial number as openssl prints it', async () => {
    await using site = await openTestSite();
    const { serialNumber, fingerprint } = await enrolled(site, 'child01');
    const pairs = serialNumber.toUpperCase().match(/../g) ?? [];
    for (const id of [pairs.join(''), pairs.join(':')])
      expect((await site.signer.inventory.find(id)).record.fingerprint).toBe(fingerprint);
  });

  it.each(['', '\0', 'a//b', '../x', 'zz', '0'.repeat(500)])(
    'has no certificate %j, and says only that',
    async (id) => {
      await using site = await openTestSite();
      expect(await problemOf(site.signer.inventory.find(id))).toMatchObject({
        type: 'not-found',
        message: 'No certificate has this fingerprint or serial number. See "sallyport device show".',
      });
    },
  );

  it('says whether a certificate is valid, expired or revoked', async () => {
    await using site = await openTestSite();
    const valid = await enrolled(site, 'child01');
    const revoked = await site.signer.revocation.revoke(valid.fingerprint, 'superseded', 'admin');
    const now = site.clock.now();
    const later = new Date(now.getTime() + 91 * day * 1000);
    expect([describeRecord(valid, now).state, describeRecord(valid, later).state]).toEqual(['valid', 'expired']);
    expect(describeRecord(revoked, later)).toMatchObject({ state: 'revoked', revocation: { reason: 'superseded' } });
    expect(describeRecord(valid, now)).not.toHaveProperty('certificate');
  });

  it('leaves time for other work while it looks for a certificate in date', async () => {
    await using site = await openTestSite();
    const notAfter = new Date(site.clock.now().getTime() - 1000).toISOString();
    const expired = Array.from({ length: 1000 }, newSerialNumber).map((serialNumber) => ({
      put: `certificate-of-issuer/device-1/${serialNumber}`,
      value: { fingerprint: 'ab'.repeat(32), notAfter },
    }));
    await site.store.transaction([], expired);
    const { inventory } = site.signer;
    expect(await turnsDuring(() => inventory.hasUnexpiredLeaves('device-1'))).toBeGreaterThanOrEqual(4);
    expect(await inventory.hasUnexpiredLeaves('device-1')).toBe(false);
  });

  it('does not look for a certificate in date again before the end of the one it found', async () => {
    await using site = await openTestSite();
    const { inventory } = site.signer;
    await enrolled(site, 'child01');
    expect(await inventory.hasUnexpiredLeaves('device-1')).toBe(true);
    expect(await turnsDuring(() => inventory.hasUnexpiredLeaves('device-1'))).toBe(0);
    site.clock.advance(91 * day);
    expect(await inventory.hasUnexpiredLeaves('device-1')).toBe(false);
  });
});
