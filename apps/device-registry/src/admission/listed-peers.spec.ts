import { deviceList } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

const second = { fingerprint: fingerprintOf('second'), serialNumber: '02' };
const question = { deviceId: 'child01', kind: 'device', reinstate: false } as const;

describe('at every entrance of the site', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const send = async (method: 'POST' | 'DELETE', url: string, payload?: object) => {
    const { status } = await registry.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
    expect(status).toBeLessThan(300);
  };

  describe('a deleted device', () => {
    beforeEach(async () => {
      await registry.admit(peer());
      await send('DELETE', '/v1/devices/child01');
    });

    it('does not come back by itself, with its certificate or with another one', async () => {
      // Its certificate is revoked, too, when the signer of this site issued it.
      expect(['device-deleted', 'certificate-revoked']).toContain(await registry.admit(peer()));
      expect(await registry.admit(peer(second))).toBe('device-deleted');
      expect((await registry.get('/v1/devices', deviceList)).devices).toEqual([]);
    });

    it('does not come back under another name with its certificate', async () => {
      expect(['device-deleted', 'certificate-revoked']).toContain(
        await registry.admit(peer({ deviceId: 'child02', issuedHere: false })),
      );
    });

    it('gets no new certificate, and one that was being signed is refused for ever', async () => {
      expect(await registry.mayEnrol(question)).toBe('device-deleted');
      await registry.issued(issued(second));
      await registry.issued(issued({ deviceId: 'child02', fingerprint: fingerprintOf('third'), serialNumber: '03' }));
      await waitFor(async () => (await registry.get('/v1/devices', deviceList)).devices.length > 0);
      expect((await registry.get('/v1/devices', deviceList)).devices.map(({ deviceId }) => deviceId)).toEqual([
        'child02',
      ]);
      await send('DELETE', '/v1/tombstones/child01');
      expect(await registry.admit(peer(second))).toBe('certificate-revoked');
    });

    it('comes in as a new one when it was released', async () => {
      await send('DELETE', '/v1/tombstones/child01');
      expect(await registry.mayEnrol(question)).toBe('allowed');
      expect(await registry.admit(peer(second))).toBe('admitted');
    });
  });

  it('a denied name gets neither in nor a certificate, known or not', async () => {
    await registry.admit(peer());
    await send('POST', '/v1/denied', { devices: ['child01'] });
    expect(await registry.admit(peer())).toBe('identity-denied');
    expect(await registry.mayEnrol(question)).toBe('identity-denied');
  });

  it('a denied certificate does not get in under any name', async () => {
    await send('POST', '/v1/denied', { fingerprints: [peer().fingerprint] });
    expect(await registry.admit(peer())).toBe('identity-denied');
    expect(await registry.admit(peer({ deviceId: 'child02' }))).toBe('identity-denied');
    expect(await registry.admit(peer(second))).toBe('admitted');
  });
});
