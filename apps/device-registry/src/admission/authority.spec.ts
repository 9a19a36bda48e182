import { auditPage, deviceList } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

const idOf = (seed: string) => `ca:${fingerprintOf(seed)}`;

/** A CA outside this site: what an entrance says about it under one of its certificates. */
const fleet = (certificate: string) => ({
  issuedHere: false,
  issuerFingerprint: fingerprintOf(certificate),
  knownIssuerFingerprints: [fingerprintOf(certificate)],
  authorities: [idOf('fleet')],
  authorityName: 'CN=Fleet CA,O=Acme',
});
const successor = {
  ...fleet('successor'),
  authorities: [idOf('successor')],
  authorityName: 'CN=Fleet CA 2,O=Acme',
};
const next = { fingerprint: fingerprintOf('second'), serialNumber: '02' };

describe('the CA that vouches for a device', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const actions = async () => {
    const { rows } = await registry.get('/v1/audit?limit=1000', auditPage);
    return rows.map(({ action }) => action);
  };

  it('is the same when its certificate has been issued again', async () => {
    await registry.admit(peer(fleet('of 2025')));
    expect(await registry.admit(peer(fleet('of 2026')))).toBe('admitted');
    expect(await registry.admit(peer({ ...fleet('of 2026'), ...next }))).toBe('admitted');
    expect(await registry.device('child01')).toMatchObject({
      authority: idOf('fleet'),
      authorityName: 'CN=Fleet CA,O=Acme',
    });
  });

  it.each(['agent', 'operator', 'Local-Client'])(
    'is this site for the name %s, before it has enrolled',
    async (name) => {
      expect(await registry.admit(peer({ ...fleet('of 2025'), deviceId: name }))).toBe('name-conflict');
      expect(await registry.mayEnrol({ deviceId: name, kind: 'service', reinstate: false })).toBe('allowed');
    },
  );

  it('is the trusted one above an intermediate CA, whichever of those issued the certificate', async () => {
    const below = (key: string) => ({ ...fleet(key), authorities: [idOf(key), idOf('fleet')] });
    await registry.admit(peer(below('issuing 1')));
    expect(await registry.admit(peer({ ...below('issuing 2'), ...next }))).toBe('admitted');
    expect((await registry.device('child01')).authority).toBe(idOf('fleet'));
  });

  it('stays the intermediate CA that was trusted alone, when the one above becomes trusted too', async () => {
    await registry.admit(peer({ ...fleet('issuing 1'), authorities: [idOf('issuing 1')] }));
    const above = { ...fleet('issuing 1'), authorities: [idOf('issuing 1'), idOf('fleet')] };
    expect(await registry.admit(peer({ ...above, ...next }))).toBe('admitted');
    const sister = { ...fleet('issuing 2'), authorities: [idOf('issuing 2'), idOf('fleet')] };
    expect(await registry.admit(peer({ ...sister, fingerprint: fingerprintOf('third') }))).toBe('name-conflict');
  });

  it('is shown by name in the list', async () => {
    await registry.admit(peer(fleet('of 2025')));
    await registry.admit(peer({ deviceId: 'child02', ...next }));
    const { devices } = await registry.get('/v1/devices', deviceList);
    expect(devices.map(({ authority, authorityName }) => [authority, authorityName])).toEqual([
      [idOf('fleet'), 'CN=Fleet CA,O=Acme'],
      ['site', undefined],
    ]);
  });

  it('keeps a revoked serial number out under its next certificate, whatever the encoding of the leaf', async () => {
    await registry.admit(peer(fleet('of 2025')));
    await registry.change('child01', 'revoke');
    const encodedAnew = { ...fleet('of 2026'), fingerprint: fingerprintOf('encoded anew'), deviceId: 'child02' };
    expect(await registry.admit(peer(encodedAnew))).toBe('certificate-revoked');
  });

  describe('in a record of an older version', () => {
    beforeEach(async () => {
      await registry.admit(peer(fleet('of 2025')));
      await registry.setAuthority('child01', fingerprintOf('of 2025'));
    });

    it('is recognised by its former certificate, which the entrance trusts beside the new one', async () => {
      const both = { ...fleet('of 2026'), knownIssuerFingerprints: ['of 2026', 'of 2025'].map(fingerprintOf) };
      expect(await registry.admit(peer({ ...both, ...next }))).toBe('admitted');
      expect(await registry.device('child01')).toMatchObject({
        authority: idOf('fleet'),
        authorityName: 'CN=Fleet CA,O=Acme',
      });
    });

    it('is recognised by the very certificate it was recorded with, and written down with an audit row', async () => {
      expect(await registry.admit(peer(fleet('of 2026')))).toBe('admitted');
      expect((await registry.device('child01')).authority).toBe(idOf('fleet'));
      expect(await actions()).toEqual(['device-registered', 'authority-recognised']);
      expect(await registry.admit(peer({ ...fleet('of 2027'), ...next }))).toBe('admitted');
    });

    it('is no other CA, and no other certificate of it that nobody knows', async () => {
      expect(await registry.admit(peer({ ...successor, ...next }))).toBe('name-conflict');
      expect(await registry.admit(peer({ ...fleet('of 2026'), ...next }))).toBe('name-conflict');
      expect((await registry.device('child01')).authority).toBe(fingerprintOf('of 2025'));
    });

    it('is not found again by a certificate that was revoked', async () => {
      await registry.change('child01', 'revoke');
      expect(await registry.admit(peer(fleet('of 2026')))).not.toBe('admitted');
      expect((await registry.device('child01')).authority).toBe(fingerprintOf('of 2025'));
    });

    it('is this site when the signer says that it issued the certificate', async () => {
      await registry.issued(issued({ issuerFingerprint: fingerprintOf('of 2025') }));
      await expect.poll(async () => (await registry.device('child01')).authority).toBe('site');
    });
  });

  describe('handed over to a CA with a new key', () => {
    const order = { from: idOf('fleet'), to: idOf('successor'), toName: 'CN=Fleet CA 2,O=Acme' };

    beforeEach(async () => {
      await registry.admit(peer(fleet('of 2025')));
    });

    it('is refused before an administrator has said so', async () => {
      expect(await registry.admit(peer({ ...successor, ...next }))).toBe('name-conflict');
      expect(await registry.takeOver({ ...order, mode: 'count' })).toEqual({
        devices: 1,
        fromName: 'CN=Fleet CA,O=Acme',
        toName: 'CN=Fleet CA 2,O=Acme',
      });
      expect(await registry.admit(peer({ ...successor, ...next }))).toBe('name-conflict');
    });

    it('vouches for the devices of the old one from then on, and the audit log names who, from, to and how many', async () => {
      expect((await registry.takeOver({ ...order, mode: 'move' })).devices).toBe(1);
      expect(await registry.admit(peer({ ...successor, ...next }))).toBe('admitted');
      expect(await registry.device('child01')).toMatchObject({ authorityName: 'CN=Fleet CA 2,O=Acme' });
      const { rows } = await registry.get('/v1/audit', auditPage);
      expect(rows[1]).toMatchObject({
        actor: 'local-admin',
        action: 'devices-taken-over',
        details: { from: idOf('fleet'), to: idOf('successor'), count: 1 },
      });
    });

    it('leaves a device the certificate it has, and takes no new one from the old CA', async () => {
      await registry.takeOver({ ...order, mode: 'move' });
      expect(await registry.admit(peer(fleet('of 2025')))).toBe('admitted');
      expect(await registry.admit(peer({ ...fleet('of 2025'), ...next }))).toBe('name-conflict');
    });

    it('changes nothing when it is said again', async () => {
      await registry.takeOver({ ...order, mode: 'move' });
      expect((await registry.takeOver({ ...order, mode: 'move' })).devices).toBe(0);
      expect(await actions()).toEqual(['device-registered', 'devices-taken-over']);
    });

    it('takes one device when only that one is meant', async () => {
      await registry.admit(peer({ ...fleet('of 2025'), ...next, deviceId: 'child02' }));
      expect((await registry.takeOver({ ...order, deviceId: 'child02', mode: 'move' })).devices).toBe(1);
      expect((await registry.device('child01')).authority).toBe(idOf('fleet'));
      expect((await registry.takeOver({ ...order, deviceId: 'child02', mode: 'move' })).devices).toBe(0);
    });

    it('does not bring a revoked device back', async () => {
      await registry.change('child01', 'revoke');
      await registry.takeOver({ ...order, mode: 'move' });
      expect(await registry.admit(peer({ ...successor, ...next }))).toBe('device-revoked');
    });

    it('takes no device of this site and none of a third CA', async () => {
      await registry.admit(peer({ deviceId: 'ours', ...next }));
      const third = { ...fleet('third'), authorities: [idOf('third')], fingerprint: fingerprintOf('x') };
      await registry.admit(peer({ ...third, deviceId: 'theirs' }));
      expect((await registry.takeOver({ ...order, mode: 'move' })).devices).toBe(1);
      expect(await registry.refusal('POST', '/v1/takeovers', { ...order, deviceId: 'ours', mode: 'move' })).toBe(
        `409 This site vouches for device "ours", not ${idOf('fleet')}.`,
      );
      expect((await registry.device('theirs')).authority).toBe(idOf('third'));
    });

    it('has to have been seen, or be named', async () => {
      const { toName: _, ...unnamed } = order;
      expect(await registry.refusal('POST', '/v1/takeovers', { ...unnamed, mode: 'count' })).toBe(
        `400 No entrance has seen the CA ${idOf('successor')} yet. Name the file with its certificate instead.`,
      );
    });

    it('goes through a large fleet in pages', async () => {
      const names = Array.from({ length: 450 }, (_, index) => `fleet-${String(index).padStart(3, '0')}`);
      for (let start = 0; start < names.length; start += 50)
        await Promise.all(
          names
            .slice(start, start + 50)
            .map((deviceId) =>
              registry.admit(peer({ ...fleet('of 2025'), deviceId, fingerprint: fingerprintOf(deviceId) })),
            ),
        );
      const pages: number[] = [];
      for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
        const page = await registry.takeOver({ ...order, mode: 'move', ...(cursor === undefined ? {} : { cursor }) });
        pages.push(page.devices);
        cursor = page.cursor;
      }
      expect(pages).toEqual([200, 200, 51]);
      const { rows } = await registry.get('/v1/audit?after=451', auditPage);
      expect(rows.map(({ details }) => details['count'])).toEqual([200, 200, 51]);
    });
  });
});
