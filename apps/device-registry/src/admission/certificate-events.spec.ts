import { auditPage } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

const revocation = {
  fingerprint: fingerprintOf('first'),
  serialNumber: '01',
  issuerFingerprint: fingerprintOf('site CA'),
  deviceId: 'child01',
  revokedAt: '2026-06-01T11:00:00Z',
  reason: 'keyCompromise',
};
const second = { fingerprint: fingerprintOf('second'), serialNumber: '02', notBefore: '2026-06-01T12:00:00Z' };

describe('events of the signer', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const rows = async () => (await registry.get('/v1/audit', auditPage)).rows;
  const rowOf = (action: string) => waitFor(async () => (await rows()).find((row) => row.action === action));
  /** Events are taken in order, so when this one has come, so have those before it. */
  const settle = async () => {
    await registry.issued(issued({ deviceId: 'last', fingerprint: fingerprintOf('last'), serialNumber: 'ff' }));
    await waitFor(async () => (await rows()).some(({ subject }) => subject === 'last'));
  };

  it('register a device before it is first seen', async () => {
    await registry.issued(issued());
    await rowOf('device-registered');
    expect(await registry.device('child01')).toMatchObject({
      state: 'active',
      authority: 'site',
      notAfter: '2026-08-01T00:00:00Z',
      certificates: [{ fingerprint: fingerprintOf('first'), source: 'issued' }],
      states: [{ actor: 'pki-signer' }],
    });
    expect(await registry.admit(peer())).toBe('admitted');
    expect(await rows()).toHaveLength(1);
  });

  it('change nothing when they come twice', async () => {
    await registry.issued(issued());
    await registry.issued(issued());
    await settle();
    expect((await rows()).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'device-registered child01',
      'device-registered last',
    ]);
  });

  it('change nothing when the certificate was seen before its event', async () => {
    await registry.admit(peer());
    await registry.issued(issued());
    await settle();
    expect((await registry.device('child01')).certificates).toMatchObject([{ source: 'contact' }]);
  });

  describe('about a CA that an entrance did not know as one of this site', () => {
    const unknown = { issuedHere: false };

    it('make its device one of this site', async () => {
      expect(await registry.admit(peer(unknown))).toBe('admitted');
      await registry.issued(issued());
      await rowOf('device-recognised');
      expect((await registry.device('child01')).authority).toBe('site');
      for (const entrance of [unknown, {}]) expect(await registry.admit(peer(entrance))).toBe('admitted');
    });

    it('let its device in with the next certificate too', async () => {
      await registry.admit(peer(unknown));
      await registry.issued(issued(second));
      await rowOf('certificate-recorded');
      expect((await registry.device('child01')).authority).toBe('site');
      for (const entrance of [unknown, {}])
        expect(await registry.admit(peer({ ...second, ...entrance }))).toBe('admitted');
    });

    it('let its device in wherever it comes first', async () => {
      await registry.issued(issued());
      await rowOf('device-registered');
      for (const entrance of [unknown, {}, unknown]) expect(await registry.admit(peer(entrance))).toBe('admitted');
      const stranger = { ...unknown, ...second, issuerFingerprint: fingerprintOf('foreign CA') };
      expect(await registry.admit(peer(stranger))).toBe('name-conflict');
    });

    it('make of a device what it is: a service', async () => {
      const service = { deviceId: 'console' } as const;
      await registry.admit(peer({ ...service, ...unknown }));
      await registry.issued(issued({ ...service, kind: 'service', profile: 'service' }));
      await rowOf('device-recognised');
      expect((await registry.device('console')).kind).toBe('service');
      expect(await registry.admit(peer({ ...service, kind: 'service' }))).toBe('admitted');
    });

    it('are not needed when another entrance knows it', async () => {
      await registry.admit(peer(unknown));
      expect(await registry.admit(peer())).toBe('admitted');
      expect(await registry.admit(peer(second))).toBe('admitted');
      expect((await registry.device('child01')).authority).toBe('site');
    });
  });

  it('are not lost while the registry is away', async () => {
    await registry.stopService();
    await registry.issued(issued());
    await registry.startService();
    await rowOf('device-registered');
    expect((await registry.device('child01')).state).toBe('active');
  });

  it('write a certificate for a name of another CA down once, however often they come', async () => {
    await registry.admit(peer({ issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') }));
    await registry.issued(issued(second));
    await registry.issued(issued(second));
    await settle();
    expect((await rows()).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'device-registered child01',
      'certificate-refused child01',
      'device-registered last',
    ]);
    expect(await registry.admit(peer(second))).toBe('name-conflict');
  });

  it('survive a message that is no event', async () => {
    await registry.publishGarbage();
    await settle();
    expect(registry.logged.filter((line) => line.includes('not readable'))).toHaveLength(1);
  });

  it('bring a revoked device back with its new certificate alone', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    await registry.issued(issued({ ...second, reinstate: true }));
    await rowOf('device-reinstated');
    expect((await registry.device('child01')).state).toBe('active');
    expect(await registry.admit(peer(second))).toBe('admitted');
    expect(await registry.admit(peer())).toBe('certificate-revoked');
    // Of the time before, but never seen: the signer issued it and the registry had forgotten it.
    const forgotten = {
      fingerprint: fingerprintOf('forgotten'),
      serialNumber: '09',
      notBefore: '2026-05-20T00:00:00Z',
    };
    expect(await registry.admit(peer(forgotten))).toBe('certificate-revoked');
    const renewed = { fingerprint: fingerprintOf('renewed'), serialNumber: '0a', notBefore: '2026-06-20T00:00:00Z' };
    expect(await registry.admit(peer(renewed))).toBe('admitted');
  });

  it('do not reinstate a device a second time when an old one comes again', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    await registry.issued(issued({ ...second, reinstate: true }));
    await rowOf('device-reinstated');
    await registry.change('child01', 'revoke');
    await registry.issued(issued({ ...second, reinstate: true }));
    await settle();
    expect((await registry.device('child01')).state).toBe('revoked');
    expect(await registry.admit(peer(second))).toBe('device-revoked');
  });

  it('do not undo a revocation that came after the certificate, however late they are', async () => {
    await registry.admit(peer());
    registry.clock.advance(60);
    await registry.change('child01', 'revoke', 'stolen');
    await registry.issued(issued({ ...second, issuedAt: '2026-06-01T12:00:30Z', reinstate: true }));
    await rowOf('certificate-refused');
    expect((await registry.device('child01')).state).toBe('revoked');
    await waitFor(() => registry.announced.length > 2);
    expect(registry.announced.at(-1)).toMatchObject({ state: 'revoked', fingerprints: [second.fingerprint] });
  });

  it('leave the CA out that a device was moved away from', async () => {
    const foreign = { issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') };
    await registry.admit(peer(foreign));
    await registry.issued(issued({ ...second, reinstate: true }));
    await rowOf('device-reinstated');
    expect(await registry.admit(peer({ ...foreign, fingerprint: fingerprintOf('third'), serialNumber: '03' }))).toBe(
      'name-conflict',
    );
  });

  it('move a device from a foreign CA to this site when an administrator means it', async () => {
    await registry.admit(peer({ issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') }));
    await registry.issued(issued({ ...second, reinstate: true }));
    await rowOf('device-reinstated');
    expect((await registry.device('child01')).authority).toBe('site');
    expect(await registry.admit(peer(second))).toBe('admitted');
  });

  it.each(['revoke', 'retire'] as const)(
    'never let in a certificate that was signed while an administrator did "%s"',
    async (action) => {
      await registry.admit(peer());
      const { state } = await registry.change('child01', action);
      await registry.issued(issued(second));
      await rowOf('certificate-refused');
      await waitFor(() =>
        registry.announced.some(({ fingerprints }) => fingerprints.includes(peer(second).fingerprint)),
      );
      expect(registry.announced.at(-1)).toMatchObject({ state, fingerprints: [second.fingerprint] });
      expect(await registry.admit(peer(second))).toBe(`device-${state}`);
    },
  );

  it('about a certificate that came too late do not touch one that was made to reinstate since', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    registry.clock.advance(60);
    await registry.issued(issued(second));
    await waitFor(() => registry.announced.length > 2);
    // The signer revokes what it issued up to this moment.
    expect(registry.announced.at(-1)?.changedAt).toBe('2026-06-01T12:00:00.000Z');
  });

  it('never bring back a retired name', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'retire');
    await registry.issued(issued({ ...second, reinstate: true }));
    await rowOf('certificate-refused');
    expect((await registry.device('child01')).state).toBe('retired');
  });

  it('revoke one certificate and leave the device its others', async () => {
    await registry.admit(peer());
    await registry.admit(peer(second));
    await registry.revoked(revocation);
    await rowOf('certificate-revoked');
    expect(await registry.admit(peer())).toBe('certificate-revoked');
    expect(await registry.admit(peer(second))).toBe('admitted');
    await waitFor(() => registry.announced.length > 1);
    expect(registry.announced.at(-1)).toMatchObject({ state: 'active', fingerprints: [revocation.fingerprint] });
    const { certificates } = await registry.device('child01');
    expect(certificates[1]?.revocation).toEqual({ revokedAt: '2026-06-01T11:00:00Z', reason: 'keyCompromise' });
  });

  it.each([
    ['fingerprint', { serialNumber: '77' }],
    ['issuer and serial number', { fingerprint: fingerprintOf('re-encoded') }],
  ])('deny a revoked certificate by its %s', async (_, disguise) => {
    await registry.admit(peer());
    await registry.revoked(revocation);
    await rowOf('certificate-revoked');
    expect(await registry.admit(peer(disguise))).toBe('certificate-revoked');
  });

  it('deny a certificate whose revocation comes before everything else', async () => {
    await registry.revoked(revocation);
    await rowOf('certificate-revoked');
    await registry.issued(issued());
    await settle();
    expect(await registry.admit(peer())).toBe('certificate-revoked');
    expect(await registry.refusal('GET', '/v1/devices/child01')).toMatch(/^404 /);
  });

  it('keep the date and reason of a certificate that was revoked before its device', async () => {
    await registry.admit(peer());
    await registry.revoked(revocation);
    await rowOf('certificate-revoked');
    const { certificates } = await registry.change('child01', 'revoke');
    expect(certificates[0]?.revocation).toEqual({ revokedAt: '2026-06-01T11:00:00Z', reason: 'keyCompromise' });
  });

  it.each(['lock', 'revoke', 'retire'])(
    'about one certificate announce nothing of a device after "%s"',
    async (action) => {
      await registry.admit(peer());
      await registry.change('child01', action);
      await registry.revoked({ ...revocation, fingerprint: fingerprintOf('forgotten'), serialNumber: '09' });
      await rowOf('certificate-revoked');
      await settle();
      await waitFor(() => registry.announced.some(({ deviceId }) => deviceId === 'last'));
      expect(registry.announced.map(({ deviceId }) => deviceId)).toEqual(['child01', 'child01', 'last']);
    },
  );

  it('never answer the signer with more than one announcement of one change', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    await registry.revoked(revocation);
    await settle();
    await waitFor(() => registry.announced.some(({ deviceId }) => deviceId === 'last'));
    expect(registry.announced.map(({ deviceId, state }) => `${deviceId} ${state}`)).toEqual([
      'child01 active',
      'child01 revoked',
      'last active',
    ]);
  });
});
