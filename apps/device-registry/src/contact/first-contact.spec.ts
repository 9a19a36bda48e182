import { auditPage } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Devices } from '../devices/devices.js';
import { ContactsUnderTest, contactWith, idOf } from './contact.fixture.js';

describe('the first contact of a device with a connector', () => {
  let contacts: ContactsUnderTest;
  beforeEach(async () => {
    contacts = await ContactsUnderTest.start();
  });
  afterEach(() => contacts.stop());

  it('registers it with its certificate, under the CN as its identity', async () => {
    const ca = await contacts.clientCa();
    const request = await contactWith(ca, { commonName: 'pump-17' });

    expect(await contacts.come(request)).toBe('admitted as pump-17');

    expect(await contacts.registry.device('pump-17')).toMatchObject({
      deviceId: 'pump-17',
      kind: 'device',
      state: 'active',
      authority: idOf(ca),
      connector: 'default',
      certificates: [{ fingerprint: request.fingerprint, source: 'contact' }],
      states: [{ state: 'active', actor: 'entrance:connector' }],
    });
    const kept = await contacts.registry.part(Devices).certificateOf(request.fingerprint);
    expect(kept?.der.toString('base64')).toBe(request.connector?.certificate);
  });

  it('tells of it once: the second contact is admitted and no event', async () => {
    const ca = await contacts.clientCa();
    const request = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(request);
    expect(await contacts.come(request)).toBe('admitted as pump-17');
    await contacts.arrive(ca, 'pump-18');
    await contacts.typesOf('pump-18', 1);
    expect(contacts.events).toMatchObject([
      { type: 'provisioned', device: 'pump-17', connector: 'default', protocol: 'https', address: '192.0.2.7' },
      { type: 'provisioned', device: 'pump-18' },
    ]);
  });

  it('is answered only after its event was published', async () => {
    const ca = await contacts.clientCa();
    await contacts.arrive(ca, 'pump-17');
    const { entries } = await contacts.registry.store.list('timeline/outbox/');
    expect(entries).toEqual([]);
  });

  it('of fifty connections at once makes one device, one event and fifty admissions', async () => {
    const ca = await contacts.clientCa();
    const request = await contactWith(ca, { commonName: 'pump-17' });
    const decisions = await Promise.all(Array.from({ length: 50 }, () => contacts.come(request)));
    expect(new Set(decisions)).toEqual(new Set(['admitted as pump-17']));
    await contacts.arrive(ca, 'pump-18');
    await contacts.typesOf('pump-18', 1);
    expect(contacts.events.map(({ type, device }) => `${type} ${device}`)).toEqual([
      'provisioned pump-17',
      'provisioned pump-18',
    ]);
    const { rows } = await contacts.registry.get('/v1/audit?limit=1000', auditPage);
    expect(rows.filter(({ action }) => action === 'device-registered').map(({ subject }) => subject)).toEqual([
      'pump-17',
      'pump-18',
    ]);
  });

  it('of two certificates with one CN under two CAs at once is won by one, and the other is a conflict', async () => {
    const [one, other] = [await contacts.clientCa(), await contacts.clientCa()];
    const requests = [
      await contactWith(one, { commonName: 'pump-17' }),
      await contactWith(other, { commonName: 'pump-17' }),
    ];
    const decisions = await Promise.all(requests.map((request) => contacts.come(request)));
    expect(decisions.toSorted()).toEqual(['admitted as pump-17', 'name-conflict']);
    expect((await contacts.registry.device('pump-17')).certificates).toHaveLength(1);
  });
});
