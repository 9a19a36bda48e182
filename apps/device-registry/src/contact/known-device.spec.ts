import type { TestCa } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContactsUnderTest, contactWith, idOf } from './contact.fixture.js';

const day = 86_400;
const newer = { notBefore: new Date('2026-05-10T00:00:00Z') };
const older = { notBefore: new Date('2026-04-20T00:00:00Z') };

describe('a device that is known to a connector', () => {
  let contacts: ContactsUnderTest;
  let ca: TestCa;
  beforeEach(async () => {
    contacts = await ContactsUnderTest.start();
    ca = await contacts.clientCa();
    await contacts.come(await contactWith(ca, { commonName: 'pump-17' }));
  });
  afterEach(() => contacts.stop());

  const comeWith = async (authority: TestCa, certificate: object = {}) =>
    contacts.come(await contactWith(authority, { commonName: 'pump-17', ...certificate }));

  it('is a name-conflict under another Client CA, and the owner of the name is told', async () => {
    const other = await contacts.clientCa();
    expect(await comeWith(other)).toBe('name-conflict');
    expect(await contacts.typesOf('pump-17', 2)).toEqual(['provisioned', 'identity_conflict']);
    expect(contacts.events[1]).toMatchObject({ payload: { reason: 'name-conflict' }, address: '192.0.2.7' });
    expect((await contacts.registry.device('pump-17')).refusals).toMatchObject([{ reason: 'name-conflict' }]);
  });

  it('shows an administrator that the logins of its Client CA are blocked', async () => {
    await contacts.changeCa(ca, { login: false });
    expect(await comeWith(ca)).toBe('issuer-disabled');
    expect((await contacts.registry.device('pump-17')).refusals).toMatchObject([{ reason: 'issuer-disabled' }]);
  });

  it('is a name-conflict in another spelling', async () => {
    expect(await contacts.arrive(ca, 'PUMP-17')).toBe('name-conflict');
  });

  it('is a name-conflict at another connector with the same Client CA', async () => {
    await contacts.addConnector('other', ca);
    expect(await contacts.arrive(ca, 'pump-17', { connector: 'other' })).toBe('name-conflict');
    expect(await contacts.arrive(ca, 'pump-18', { connector: 'other' })).toBe('admitted as pump-18');
  });

  it.each(['lock', 'retire'] as const)(
    'is refused by its state after "%s", and another CA does not learn it',
    async (action) => {
      const other = await contacts.clientCa();
      await contacts.registry.change('pump-17', action);
      expect(await comeWith(ca)).toBe({ lock: 'device-locked', retire: 'device-retired' }[action]);
      expect(await comeWith(other)).toBe('name-conflict');
    },
  );

  it('is certificate-not-pinned with another certificate of its CA', async () => {
    expect(await comeWith(ca, newer)).toBe('certificate-not-pinned');
    expect((await contacts.registry.device('pump-17')).certificates).toHaveLength(1);
  });

  it('is admitted with the certificate that an administrator expects, and with no other', async () => {
    const next = await contactWith(ca, { commonName: 'pump-17', ...newer });
    const { status } = await contacts.registry.inject({
      method: 'POST',
      url: '/v1/devices/pump-17/expected-certificate',
      payload: { fingerprint: next.fingerprint },
    });
    expect(status).toBe(204);
    expect(await comeWith(ca, newer)).toBe('certificate-not-pinned');
    expect(await contacts.come(next)).toBe('admitted as pump-17');
    expect(await contacts.typesOf('pump-17', 3)).toEqual(['provisioned', 'identity_conflict', 'certificate_added']);
  });

  describe('where a certificate of the same CA takes the place of the former', () => {
    beforeEach(() => contacts.change({ pki: { pinning: 'same-ca', keepFormerDays: 3 } }));

    it('is admitted with a newer one, and with the former for some days', async () => {
      const [former, next] = [
        await contactWith(ca, { commonName: 'pump-18' }),
        await contactWith(ca, { commonName: 'pump-18', ...newer }),
      ];
      await contacts.come(former);
      expect(await contacts.come(next)).toBe('admitted as pump-18');
      expect(await contacts.come(former)).toBe('admitted as pump-18');
      contacts.registry.clock.advance(3 * day);
      expect(await contacts.come(former)).toBe('certificate-superseded');
      expect(await contacts.come(next)).toBe('admitted as pump-18');
    });

    it('is certificate-superseded with one that begins earlier', async () => {
      expect(await comeWith(ca, older)).toBe('certificate-superseded');
    });

    it('is a name-conflict with one of another CA', async () => {
      expect(await comeWith(await contacts.clientCa(), newer)).toBe('name-conflict');
    });

    it('is certificate-revoked with one from before its reinstatement', async () => {
      await contacts.registry.change('pump-17', 'revoke');
      expect(await comeWith(ca, newer)).toBe('device-revoked');
    });
  });

  it('is admitted under every Client CA only where the connector says so', async () => {
    const other = await contacts.clientCa();
    await contacts.change({ pki: { pinning: 'any-ca' } });
    expect(await comeWith(other, newer)).toBe('admitted as pump-17');
    expect((await contacts.registry.device('pump-17')).authority).toBe(idOf(other));
  });

  it('goes over to the successor of its Client CA, and never back', async () => {
    const next = await contacts.clientCa();
    await contacts.changeCa(next, { successorOf: idOf(ca) });
    expect(await comeWith(next, newer)).toBe('admitted as pump-17');
    expect((await contacts.registry.device('pump-17')).authority).toBe(idOf(next));
    expect(await comeWith(ca, { notBefore: new Date('2026-05-20T00:00:00Z') })).toBe('name-conflict');
  });

  it('is issuer-expired when its Client CA has ended, unless that CA has a grace; a new device never comes in', async () => {
    const short = await contacts.clientCa({}, { notAfter: new Date('2026-06-02T00:00:00Z') });
    const request = await contactWith(short, { commonName: 'pump-18' });
    await contacts.come(request);
    contacts.registry.clock.advance(day);
    expect(await contacts.come(request)).toBe('issuer-expired');
    await contacts.changeCa(short, { existingUntil: '2026-06-04T12:00:00Z' });
    expect(await contacts.come(request)).toBe('admitted as pump-18');
    expect(await contacts.arrive(short, 'pump-19')).toBe('issuer-expired');
    contacts.registry.clock.advance(2 * day);
    expect(await contacts.come(request)).toBe('issuer-expired');
  });

  it('gets no new certificate at another entrance, where its Client CA is trusted too', async () => {
    const { connector: _, ...request } = await contactWith(ca, { commonName: 'pump-17', ...newer });
    expect(await contacts.registry.admit({ ...request, entrance: 'mqtt' })).toBe('certificate-not-pinned');
  });
});
