import { auditPage, deviceList, registryStatus } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

describe('devices', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const register = (deviceId: string, serialNumber = '01') =>
    registry.admit(peer({ deviceId, fingerprint: fingerprintOf(deviceId), serialNumber }));

  it('are locked and unlocked with the same certificate', async () => {
    await registry.admit(peer());
    expect((await registry.change('child01', 'lock', 'stolen?')).state).toBe('locked');
    expect(await registry.admit(peer())).toBe('device-locked');
    expect((await registry.change('child01', 'unlock')).state).toBe('active');
    expect(await registry.admit(peer())).toBe('admitted');
    expect((await registry.device('child01')).states).toMatchObject([
      { state: 'active', actor: 'local-admin' },
      { state: 'locked', actor: 'local-admin', reason: 'stolen?' },
      { state: 'active', actor: 'entrance:agent' },
    ]);
  });

  it('lose every certificate when they are revoked', async () => {
    await registry.admit(peer());
    const { state, certificates, notAfter } = await registry.change('child01', 'revoke', 'decommissioned');
    expect(state).toBe('revoked');
    expect(certificates[0]?.revocation).toEqual({ revokedAt: '2026-06-01T12:00:00.000Z', reason: 'device revoked' });
    expect(notAfter).toBeUndefined();
    expect(await registry.admit(peer())).toBe('device-revoked');
    await waitFor(() => registry.announced.length > 1);
    expect(registry.announced[1]).toEqual({
      deviceId: 'child01',
      state: 'revoked',
      fingerprints: [fingerprintOf('first')],
      changedAt: '2026-06-01T12:00:00.000Z',
    });
  });

  it('do not re-create themselves after they were retired', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'retire');
    expect(await registry.admit(peer())).toBe('device-retired');
    const other = { fingerprint: fingerprintOf('second'), serialNumber: '02' };
    expect(await registry.admit(peer(other))).toBe('device-retired');
    expect((await registry.device('child01')).state).toBe('retired');
  });

  it.each(['lock', 'revoke', 'retire'])('stay as they are when "%s" is repeated', async (action) => {
    await registry.admit(peer());
    const first = await registry.change('child01', action);
    registry.clock.advance(60);
    expect(await registry.change('child01', action)).toEqual(first);
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows).toHaveLength(2);
  });

  it('are not unlocked when they are revoked, and the answer says what to do', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    expect(await registry.refusal('POST', '/v1/devices/child01/unlock')).toBe(
      '409 Device "child01" is revoked, not locked. To bring it back, give it a new certificate: sallyport device enroll-token --reinstate child01',
    );
  });

  it.each([
    ['revoke', 'lock', '409 Device "child01" is revoked, which is stricter than what "lock" would do.'],
    ['retire', 'unlock', '409 Device "child01" is retired, and a retired name never comes back. Use another name.'],
    ['retire', 'revoke', '409 Device "child01" is retired, and a retired name never comes back. Use another name.'],
  ])('after "%s" refuse "%s"', async (first, second, answer) => {
    await registry.admit(peer());
    await registry.change('child01', first);
    expect(await registry.refusal('POST', `/v1/devices/child01/${second}`)).toBe(answer);
  });

  it('change state once when twenty administrators ask at once', async () => {
    await registry.admit(peer());
    await Promise.all(Array.from({ length: 20 }, () => registry.change('child01', 'lock')));
    expect((await registry.device('child01')).states).toHaveLength(2);
    expect((await registry.get('/v1/audit', auditPage)).rows).toHaveLength(2);
  });

  it('are revoked all at once, with all the certificates they have had', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `fleet-${index}`);
    for (let certificate = 10; certificate < 30; certificate += 1)
      await Promise.all(
        names.map((deviceId, index) =>
          registry.admit(
            peer({
              deviceId,
              fingerprint: fingerprintOf(`${deviceId} ${certificate}`),
              serialNumber: `${certificate}${10 + index}`,
            }),
          ),
        ),
      );
    const revoked = await Promise.all(names.map((name) => registry.change(name, 'revoke')));
    expect(revoked.every(({ certificates }) => certificates.every(({ revocation }) => revocation))).toBe(true);
    expect((await registry.get('/v1/audit?after=500', auditPage)).rows).toHaveLength(25);
  });

  it('are listed by name, in pages', async () => {
    for (const name of ['delta', 'Alpha', 'charlie', 'bravo']) await register(name);
    const first = await registry.get('/v1/devices?limit=3', deviceList);
    expect(first.devices.map(({ deviceId }) => deviceId)).toEqual(['Alpha', 'bravo', 'charlie']);
    const rest = await registry.get(`/v1/devices?limit=3&cursor=${first.cursor}`, deviceList);
    expect(rest.devices.map(({ deviceId }) => deviceId)).toEqual(['delta']);
    expect(rest.cursor).toBeUndefined();
  });

  it('are listed by state', async () => {
    for (const name of ['a', 'b', 'c']) await register(name);
    await registry.change('b', 'lock');
    await registry.change('c', 'lock');
    await registry.change('c', 'unlock');
    const names = async (state: string) =>
      (await registry.get(`/v1/devices?state=${state}`, deviceList)).devices.map(({ deviceId }) => deviceId);
    expect(await names('active')).toEqual(['a', 'c']);
    expect(await names('locked')).toEqual(['b']);
    expect(await names('revoked')).toEqual([]);
  });

  it('are counted by state', async () => {
    for (const name of ['a', 'b', 'c']) await register(name);
    await registry.change('b', 'revoke');
    const status = await registry.get('/v1/status', registryStatus);
    expect(status.devices).toEqual({
      active: 2,
      'pending-approval': 0,
      locked: 0,
      revoked: 1,
      retired: 0,
    });
    expect(status.audit.rows).toBe(4);
  });

  it('show services and administrators with their kind', async () => {
    await registry.issued(issued({ deviceId: 'alice', kind: 'admin', profile: 'admin' }));
    await waitFor(() => registry.announced.length > 0);
    expect((await registry.device('alice')).kind).toBe('admin');
  });

  it.each(['/v1/devices/child01', '/v1/devices', '/v1/devices?state=active'])(
    'are not blamed on who asks when the store holds a damaged one: %s',
    async (path) => {
      await registry.admit(peer());
      await registry.store.put('device/child01', { deviceId: 'child01' });
      expect(await registry.refusal('GET', path)).toBe(
        '500 What the store holds of device "child01" is not readable. Restore a backup.',
      );
    },
  );

  it('are shown without their refusals when these are not readable', async () => {
    await registry.admit(peer());
    await registry.store.put('refusals/child01', [{ reason: 'of a newer version' }]);
    expect(await registry.device('child01')).toMatchObject({ deviceId: 'child01', refusals: [] });
    await registry.change('child01', 'lock');
    await registry.admit(peer());
    expect((await registry.device('child01')).refusals).toMatchObject([{ reason: 'device-locked' }]);
  });

  it.each([
    [
      'GET',
      '/v1/devices/nobody',
      undefined,
      '404 No device is called "nobody". See which there are: sallyport device list',
    ],
    [
      'POST',
      '/v1/devices/nobody/lock',
      undefined,
      '404 No device is called "nobody". See which there are: sallyport device list',
    ],
    [
      'POST',
      '/v1/devices/child01/delete',
      undefined,
      '404 A device has no "delete". There are: lock, unlock, revoke, retire, approve.',
    ],
    [
      'GET',
      '/v1/devices/a%2Fb',
      undefined,
      "400 id: holds a character outside letters, digits and ' = ( ) , - . ? % * _ ! @ :",
    ],
    [
      'GET',
      '/v1/devices?state=asleep',
      undefined,
      '400 state: Invalid option: expected one of "active"|"pending-approval"|"locked"|"revoked"|"retired"',
    ],
    [
      'GET',
      '/v1/devices?cursor=garbage',
      undefined,
      '400 The cursor does not belong to this list. Start again without a cursor.',
    ],
    ['POST', '/v1/devices/child01/lock', { reason: 'a\nb' }, '400 reason: holds a control character'],
  ] as const)('answer %s %s %j with a problem', async (method, path, body, answer) => {
    expect(await registry.refusal(method, path, body)).toBe(answer);
  });
});
