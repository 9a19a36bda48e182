import { auditPage, auditVerdict } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest, tokenPeer } from '../registry.fixture.js';

const foreign = { issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') };
const secondCertificate = { fingerprint: fingerprintOf('second'), serialNumber: '02' };

describe('admission', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const actions = async () => (await registry.get('/v1/audit', auditPage)).rows.map(({ action }) => action);

  it('registers a device of this site on first contact, and says so once', async () => {
    expect(await registry.admit(peer())).toBe('admitted');
    await waitFor(() => registry.announced.length > 0);
    expect(await registry.admit(peer())).toBe('admitted');
    expect(await registry.device('child01')).toMatchObject({
      deviceId: 'child01',
      kind: 'device',
      state: 'active',
      authority: 'site',
      registeredAt: '2026-06-01T12:00:00.000Z',
      certificates: [{ fingerprint: fingerprintOf('first'), serialNumber: '01', source: 'contact' }],
      states: [{ state: 'active', actor: 'entrance:agent' }],
    });
    expect(await actions()).toEqual(['device-registered']);
    expect(registry.announced).toMatchObject([
      { deviceId: 'child01', state: 'active', fingerprints: [fingerprintOf('first')] },
    ]);
  });

  it('refuses a device that comes with a token, and says so', async () => {
    await registry.admit(peer());

    expect(await registry.admit(tokenPeer())).toBe('token-not-accepted');
    expect((await registry.get('/v1/audit', auditPage)).rows).toContainEqual(
      expect.objectContaining({
        actor: 'entrance:coap',
        action: 'peer-refused',
        subject: 'child01',
        details: { reason: 'token-not-accepted', remoteAddress: '192.0.2.7' },
      }),
    );
  });

  it('registers no device that comes with a token', async () => {
    expect(await registry.admit(tokenPeer())).toBe('token-not-accepted');
    expect(await registry.refusal('GET', '/v1/devices/child01')).toMatch(/^404 /);
  });

  it('makes one device, one announcement and one audit row of fifty first contacts at once', async () => {
    const decisions = await Promise.all(Array.from({ length: 50 }, () => registry.admit(peer(foreign))));
    expect(new Set(decisions)).toEqual(new Set(['admitted']));
    await waitFor(() => registry.announced.length > 0);
    expect((await registry.device('child01')).certificates).toHaveLength(1);
    expect(await actions()).toEqual(['device-registered']);
    expect((await registry.store.list('outbox/')).entries).toEqual([]);
    expect(registry.announced).toHaveLength(1);
  });

  it('registers two hundred devices that come at once, each with its own audit row', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `fleet-${index}`);
    const fleet = names.map((deviceId) => peer({ deviceId, fingerprint: fingerprintOf(deviceId) }));
    const decisions = await Promise.all(fleet.map((request) => registry.admit(request)));
    expect(new Set(decisions)).toEqual(new Set(['admitted']));
    expect(await registry.get('/v1/audit/verify', auditVerdict)).toMatchObject({ intact: true, rows: 200 });
    await waitFor(() => registry.announced.length === 200);
    expect(registry.announced.map(({ deviceId }) => deviceId).toSorted()).toEqual(names.toSorted());
  });

  it('lets exactly one of two CAs take a name when both come at once', async () => {
    const decisions = await Promise.all([
      registry.admit(peer(foreign)),
      registry.admit(peer({ ...foreign, ...secondCertificate, issuerFingerprint: fingerprintOf('another CA') })),
    ]);
    expect(decisions.toSorted()).toEqual(['admitted', 'name-conflict']);
    expect((await registry.device('child01')).certificates).toHaveLength(1);
  });

  it.each([
    ['a foreign CA', 'a CA of this site', foreign, {}],
    ['a CA of this site', 'a foreign CA', {}, foreign],
    ['one foreign CA', 'another', foreign, { ...foreign, issuerFingerprint: fingerprintOf('another CA') }],
  ])('keeps a name with %s away from %s', async (_, __, holder, other) => {
    expect(await registry.admit(peer(holder))).toBe('admitted');
    expect(await registry.admit(peer({ ...other, ...secondCertificate }))).toBe('name-conflict');
  });

  it('never makes two devices of names that differ in case only', async () => {
    expect(await registry.admit(peer({ deviceId: 'dev-1' }))).toBe('admitted');
    expect(await registry.admit(peer({ deviceId: 'DEV-1', ...secondCertificate }))).toBe('name-conflict');
    expect((await registry.device('DEV-1')).deviceId).toBe('dev-1');
  });

  it('admits and remembers a new certificate of the same CA for the same name', async () => {
    await registry.admit(peer(foreign));
    expect(await registry.admit(peer({ ...foreign, ...secondCertificate }))).toBe('admitted');
    const { certificates } = await registry.device('child01');
    expect(certificates.map(({ serialNumber }) => serialNumber)).toEqual(['02', '01']);
    expect(await actions()).toEqual(['device-registered', 'certificate-recorded']);
  });

  it('remembers the newest twenty certificates of a device', async () => {
    for (let number = 10; number < 35; number += 1)
      await registry.admit(peer({ fingerprint: fingerprintOf(`certificate ${number}`), serialNumber: String(number) }));
    const { certificates } = await registry.device('child01');
    expect(certificates).toHaveLength(20);
    expect(certificates[0]?.serialNumber).toBe('34');
  });

  it('admits fifty certificates of one device that come at once', async () => {
    const requests = Array.from({ length: 50 }, (_, index) =>
      peer({ fingerprint: fingerprintOf(`certificate ${index}`), serialNumber: String(10 + index) }),
    );
    const decisions = await Promise.all(requests.map((request) => registry.admit(request)));
    expect(new Set(decisions)).toEqual(new Set(['admitted']));
    expect(await registry.get('/v1/audit/verify', auditVerdict)).toMatchObject({ intact: true, rows: 50 });
  });

  it('keeps the kind a name was registered with', async () => {
    await registry.admit(peer({ deviceId: 'console', kind: 'service' }));
    expect((await registry.device('console')).kind).toBe('service');
    expect(await registry.admit(peer({ deviceId: 'console', kind: 'device', ...secondCertificate }))).toBe(
      'name-conflict',
    );
  });

  it('lets no foreign CA vouch for a service or an administrator', async () => {
    expect(await registry.admit(peer({ ...foreign, kind: 'admin' }))).toBe('not-permitted');
    expect(await registry.admit(peer({ ...foreign, kind: 'service' }))).toBe('not-permitted');
  });

  it.each(['agent', 'PKI-signer'])('lets no foreign CA take the service name %s', async (deviceId) => {
    expect(await registry.admit(peer({ ...foreign, deviceId }))).toBe('name-conflict');
  });

  it('decides the same after a restart', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await registry.restart();
    expect(await registry.admit(peer())).toBe('device-locked');
  });

  it('shows the last refusals of a device', async () => {
    await registry.admit(peer());
    await registry.change('child01', 'revoke');
    await registry.admit(peer({ remoteAddress: '192.0.2.99' }));
    expect((await registry.device('child01')).refusals).toEqual([
      {
        at: '2026-06-01T12:00:00.000Z',
        reason: 'device-revoked',
        entrance: 'agent',
        remoteAddress: '192.0.2.99',
        fingerprint: fingerprintOf('first'),
      },
    ]);
  });

  it('shows a device the refusals of entrances that did not need to ask', async () => {
    await registry.admit(peer({ deviceId: 'a,b' }));
    const refusal = { entrance: 'mqtt', remoteAddress: '192.0.2.9' } as const;
    await registry.refused({ ...refusal, reason: 'certificate-expired', subject: 'OU=x,CN=a\\,b' });
    await registry.refused({ ...refusal, reason: 'issuer-unknown', subject: 'CN=nobody' });
    expect((await registry.device('a,b')).refusals).toMatchObject([{ reason: 'certificate-expired' }]);
    const { rows } = await registry.get('/v1/audit?after=1', auditPage);
    expect(rows).toMatchObject([
      { subject: 'a,b', outcome: 'refused', details: { reason: 'certificate-expired' } },
      { subject: 'CN=nobody', outcome: 'refused', details: { reason: 'issuer-unknown' } },
    ]);
  });

  it.each(['OU=x\\,CN=child01,CN=other', 'CN=child\\01', 'CN=child01\\,x', 'OU=child01', 'O=CN=child01'])(
    'shows no device the refusal of a certificate with another name: %s',
    async (subject) => {
      await registry.admit(peer());
      const refusal = { entrance: 'mqtt', remoteAddress: '192.0.2.9', reason: 'issuer-unknown' } as const;
      await registry.refused({ ...refusal, subject });
      expect((await registry.device('child01')).refusals).toEqual([]);
    },
  );

  it('writes a flood of refusals down at a bounded rate, and counts the rest', async () => {
    const refusal = { reason: 'issuer-unknown', entrance: 'mqtt' } as const;
    const flood = Array.from({ length: 600 }, (_, index) => ({ ...refusal, remoteAddress: `192.0.2.${index % 300}` }));
    for (let start = 0; start < flood.length; start += 50)
      await Promise.all(flood.slice(start, start + 50).map((one) => registry.refused(one)));
    await registry.restart();
    const { rows } = await registry.get('/v1/audit?limit=1000', auditPage);
    expect(rows).toHaveLength(201);
    expect(rows.at(-1)).toMatchObject({ action: 'refusals-left-out', details: { count: 400 } });
  });

  it('counts the refusals an entrance has left out', async () => {
    const refusal = { reason: 'issuer-unknown', entrance: 'mqtt', remoteAddress: '192.0.2.9' } as const;
    await registry.refused(refusal);
    await registry.refused({ ...refusal, leftOut: 59 });
    await registry.restart();
    const { rows } = await registry.get('/v1/audit?limit=1000', auditPage);
    expect(rows).toHaveLength(2);
    expect(rows.at(-1)).toMatchObject({ action: 'refusals-left-out', details: { count: 60 } });
  });

  it('writes refusals down again when the rate allows it', async () => {
    await registry.admit(peer(foreign));
    const conflicting = peer({ ...secondCertificate });
    await registry.admit(conflicting);
    await registry.admit(conflicting);
    registry.clock.advance(601);
    await registry.admit(conflicting);
    expect(await actions()).toEqual(['device-registered', 'peer-refused', 'peer-refused']);
  });

  it('goes on writing down at its rate when the clock is set back by a day in a flood', async () => {
    const refusal = (host: number) =>
      registry.refused({ reason: 'issuer-unknown', entrance: 'mqtt', remoteAddress: `192.0.2.${host}` });
    await Promise.all(Array.from({ length: 200 }, (_, host) => refusal(host)));
    registry.clock.advance(-86_400);
    await refusal(200);
    registry.clock.advance(10);
    await refusal(201);
    const { rows } = await registry.get('/v1/audit?after=200', auditPage);
    expect(rows).toMatchObject([{ details: { remoteAddress: '192.0.2.201' } }]);
  });

  it('writes refusals down again after the clock was set back by a day', async () => {
    await registry.admit(peer(foreign));
    const conflicting = peer({ ...secondCertificate });
    await registry.admit(conflicting);
    registry.clock.advance(-86_400);
    await registry.admit(conflicting);
    expect(await actions()).toEqual(['device-registered', 'peer-refused', 'peer-refused']);
  });

  describe('before enrolment', () => {
    const question = { deviceId: 'child01', kind: 'device', reinstate: false } as const;

    it('allows a new name and the next certificate of a known one', async () => {
      expect(await registry.mayEnrol(question)).toBe('allowed');
      await registry.admit(peer());
      expect(await registry.mayEnrol(question)).toBe('allowed');
    });

    it.each([
      ['lock', false, 'device-locked'],
      ['lock', true, 'device-locked'],
      ['revoke', false, 'device-revoked'],
      ['revoke', true, 'allowed'],
      ['retire', false, 'device-retired'],
      ['retire', true, 'device-retired'],
    ] as const)('after "%s", with reinstatement %s, answers %s', async (action, reinstate, answer) => {
      await registry.admit(peer());
      await registry.change('child01', action);
      expect(await registry.mayEnrol({ ...question, reinstate })).toBe(answer);
    });

    it('refuses a name another CA vouches for, unless an administrator means it', async () => {
      await registry.admit(peer(foreign));
      expect(await registry.mayEnrol(question)).toBe('name-conflict');
      expect(await registry.mayEnrol({ ...question, reinstate: true })).toBe('allowed');
    });

    it('refuses another spelling and another kind of a known name', async () => {
      await registry.admit(peer());
      expect(await registry.mayEnrol({ ...question, deviceId: 'CHILD01' })).toBe('name-conflict');
      expect(await registry.mayEnrol({ ...question, kind: 'admin' })).toBe('name-conflict');
    });

    it('keeps the names of services for services', async () => {
      expect(await registry.mayEnrol({ ...question, deviceId: 'agent' })).toBe('name-conflict');
      expect(await registry.mayEnrol({ ...question, deviceId: 'agent', kind: 'admin' })).toBe('name-conflict');
      expect(await registry.mayEnrol({ ...question, deviceId: 'agent', kind: 'service' })).toBe('allowed');
    });
  });

  it('logs no warning and no error in normal work', async () => {
    await registry.issued(issued());
    await waitFor(() => registry.announced.length > 0);
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await registry.change('child01', 'unlock');
    await registry.restart();
    expect(registry.logged.filter((line) => !line.includes('"level":"info"'))).toEqual([]);
  });
});
