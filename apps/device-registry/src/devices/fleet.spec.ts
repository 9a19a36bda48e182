import {
  allowList,
  auditPage,
  certificateHistory,
  denyList,
  deviceDescription,
  deviceId,
  deviceList,
  exportPart,
  fingerprint,
  importResponse,
  tombstoneList,
} from '@sallyport/protocol';
import { TestCa, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';
import { Devices } from './devices.js';
import { LastContacts } from './last-contacts.js';

let registry: RegistryUnderTest;
beforeEach(async () => {
  registry = await RegistryUnderTest.start();
});
afterEach(() => registry.stop());

async function register(name: string, overrides: Parameters<typeof peer>[0] = {}): Promise<void> {
  const answer = await registry.admit(peer({ deviceId: name, fingerprint: fingerprintOf(name), ...overrides }));
  if (answer !== 'admitted') throw new Error(`${name}: ${answer}`);
}

async function names(query: string): Promise<string[]> {
  return (await registry.get(`/v1/devices?${query}`, deviceList)).devices.map(({ deviceId: name }) => name);
}

const tag = (name: string, payload: object) =>
  registry.inject({ method: 'POST', url: `/v1/devices/${name}/tags`, payload });

const importCsv = async (csv: string, more: object = {}) => {
  const payload = { csv, mode: 'import', ...more };
  const { body } = await registry.inject({ method: 'POST', url: '/v1/devices-import', payload });
  return importResponse.parse(body);
};

describe('devices are found', () => {
  it('by a part of their name, in upper or lower case', async () => {
    for (const name of ['Pump-17', 'pump-18', 'valve-17']) await register(name);
    expect(await names('search=-17')).toEqual(['Pump-17', 'valve-17']);
    expect(await names('search=PUMP')).toEqual(['Pump-17', 'pump-18']);
    expect(await names('search=pump-17valve')).toEqual([]);
  });

  it('by tags, by name or by value, and by several at once', async () => {
    for (const name of ['a', 'b', 'c']) await register(name);
    await tag('a', { set: { site: ['north', 'roof'], owner: ['x=y'] } });
    await tag('b', { set: { site: ['south'] } });
    expect(await names('tag=site')).toEqual(['a', 'b']);
    expect(await names('tag=site%3Droof')).toEqual(['a']);
    expect(await names('tag=owner%3Dx%3Dy&tag=site')).toEqual(['a']);
    await tag('a', { remove: ['site'] });
    expect(await names('tag=site')).toEqual(['b']);
  });

  it('by the CA that vouches for them, and by state together with a part of the name', async () => {
    await register('a');
    await register('b', { issuedHere: false, issuerFingerprint: fingerprintOf('fleet CA'), serialNumber: '02' });
    await register('bb');
    await registry.change('bb', 'lock');
    expect(await names(`authority=ca:${fingerprintOf('fleet CA')}`)).toEqual(['b']);
    expect(await names('authority=site&search=b')).toEqual(['bb']);
    expect(await names('state=locked&search=b')).toEqual(['bb']);
  });

  it('by their last contact', async () => {
    await register('early');
    registry.clock.advance(3_600);
    await register('late');
    expect(await names('seenSince=2026-06-01T12:30:00Z')).toEqual(['late']);
    expect(await names('unseenSince=2026-06-01T12:30:00Z')).toEqual(['early']);
  });

  it('by the end of their certificate', async () => {
    await register('soon', { notAfter: '2026-06-05T00:00:00Z' });
    await register('later', { notAfter: '2027-06-05T00:00:00Z', serialNumber: '02' });
    expect(await names('expiresBefore=2026-07-01T00:00:00Z')).toEqual(['soon']);
  });

  it('in pages, each after the last name of the one before', async () => {
    for (const name of ['b1', 'a1', 'c1', 'x2', 'd1']) await register(name);
    const first = await registry.get('/v1/devices?search=1&limit=2', deviceList);
    expect(first.devices.map(({ deviceId: name }) => name)).toEqual(['a1', 'b1']);
    const rest = await registry.get(`/v1/devices?search=1&limit=2&cursor=${first.cursor}`, deviceList);
    expect(rest.devices.map(({ deviceId: name }) => name)).toEqual(['c1', 'd1']);
    expect(rest.cursor).toBeUndefined();
  });

  it('again after a restart, and with their last contact', async () => {
    await register('pump-17');
    registry.clock.advance(3_600);
    await registry.restart();
    expect(await names('search=17&seenSince=2026-06-01T12:00:00Z&unseenSince=2026-06-01T12:30:00Z')).toEqual([
      'pump-17',
    ]);
    const { lastSeen } = await registry.device('pump-17');
    expect(lastSeen).toEqual({
      at: '2026-06-01T12:00:00.000Z',
      entrance: 'agent',
      remoteAddress: '192.0.2.7',
      contacts: 1,
    });
  });

  it.each(['search=a%0Ab', 'tag=%3Dx', 'connector=No+Name', 'seenSince=yesterday', 'search=1&cursor=garbage'])(
    'not by %s',
    async (query) => {
      expect(await registry.refusal('GET', `/v1/devices?${query}`)).toMatch(/^400 /);
    },
  );
});

describe('the last contact of a device', () => {
  it('counts every contact, and costs one write for many', async () => {
    for (let round = 0; round < 3; round += 1) await register('pump-17');
    await registry.part(LastContacts).write();
    await register('pump-17');
    expect((await registry.device('pump-17')).lastSeen?.contacts).toBe(4);
    expect((await registry.store.list('seen/')).entries).toHaveLength(1);
  });
});

describe('a change of a device', () => {
  it('is made to the version that was seen, and to no other', async () => {
    await register('a');
    const shown = await registry.inject({ method: 'GET', url: '/v1/devices/a' });
    const etag = String(shown.headers['etag']);
    expect(etag).toBe(`"${deviceDescription.parse(shown.body).version}"`);
    const lock = () => registry.inject({ method: 'POST', url: '/v1/devices/a/lock', headers: { 'if-match': etag } });
    expect((await lock()).status).toBe(200);
    const late = await registry.inject({ method: 'DELETE', url: '/v1/devices/a', headers: { 'if-match': etag } });
    expect([late.status, (await lock()).status]).toEqual([412, 412]);
    expect((await registry.device('a')).state).toBe('locked');
  });

  it('of its tags is written once, and named in the audit log without the values', async () => {
    await register('a');
    for (let round = 0; round < 2; round += 1) await tag('a', { set: { site: ['north'] } });
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows.filter(({ action }) => action === 'device-tagged').map(({ details }) => details)).toEqual([
      { set: 'site', removed: '' },
    ]);
  });

  it('to more than 32 tags is refused', async () => {
    await register('a');
    const many = (from: number) =>
      Object.fromEntries(Array.from({ length: 20 }, (_, each) => [`t${from + each}`, ['x']]));
    await tag('a', { set: many(0) });
    const { status, body } = await tag('a', { set: many(20) });
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('more than 32 names') },
    });
  });
});

describe('the certificates of a device', () => {
  it('are shown with their DER, which goes with the record', async () => {
    await register('a');
    const [known, der] = [fingerprint.parse(fingerprintOf('a')), Buffer.from('a certificate')];
    await registry.part(Devices).change(deviceId.parse('a'), async (before) => ({
      result: undefined,
      change: {
        before,
        ...(before === undefined ? {} : { after: before.record }),
        kept: [{ fingerprint: known, der }],
        audit: [],
      },
    }));
    const shown = await registry.get('/v1/devices/a/certificates', certificateHistory);
    expect(shown.certificates).toMatchObject([{ fingerprint: known, der: der.toString('base64') }]);
    await registry.order('DELETE', '/v1/devices/a');
    expect((await registry.store.list('certificate/')).entries).toEqual([]);
  });
});

describe('a deleted device', () => {
  it('loses its sessions, and does not come back by itself, with no certificate', async () => {
    await register('Pump-17');
    await registry.order('DELETE', '/v1/devices/pump-17?reason=scrapped');
    await waitFor(() => registry.announced.some(({ state }) => state === 'retired'));
    expect(registry.announced.at(-1)).toMatchObject({ deviceId: 'Pump-17', fingerprints: [fingerprintOf('Pump-17')] });
    expect(await registry.refusal('GET', '/v1/devices/Pump-17')).toMatch(/^404 /);
    expect(await names('search=17')).toEqual([]);
    const again = { deviceId: 'Pump-17', fingerprint: fingerprintOf('Pump-17') };
    expect(await registry.admit(peer(again))).toBe('device-deleted');
    expect(await registry.admit(peer({ ...again, fingerprint: fingerprintOf('new'), serialNumber: '09' }))).toBe(
      'device-deleted',
    );
    expect(await registry.mayEnrol({ deviceId: 'pump-17', kind: 'device', reinstate: false })).toBe('device-deleted');
  });

  it('does not come back by a certificate whose event was late', async () => {
    await register('child01');
    await registry.order('DELETE', '/v1/devices/child01');
    await registry.issued(issued({ fingerprint: fingerprintOf('late'), serialNumber: '07' }));
    const isRefused = async () =>
      (await registry.get('/v1/audit', auditPage)).rows.some(({ action }) => action === 'certificate-refused');
    await waitFor(isRefused);
    expect(await registry.refusal('GET', '/v1/devices/child01')).toMatch(/^404 /);
  });

  it('comes in as a new one once it is released', async () => {
    await register('a');
    await registry.order('DELETE', '/v1/devices/a?reason=scrapped');
    const { tombstones } = await registry.get('/v1/tombstones', tombstoneList);
    expect(tombstones).toMatchObject([{ deviceId: 'a', reason: 'scrapped', fingerprints: [fingerprintOf('a')] }]);
    await registry.order('DELETE', '/v1/tombstones/A');
    await register('a');
    expect((await registry.device('a')).states).toHaveLength(1);
    expect((await registry.get('/v1/tombstones', tombstoneList)).tombstones).toEqual([]);
  });

  it('is no service of this site', async () => {
    await registry.issued(issued({ deviceId: 'agent', kind: 'service', profile: 'service' }));
    await waitFor(() => registry.announced.length > 0);
    const { status } = await registry.inject({ method: 'DELETE', url: '/v1/devices/agent' });
    expect(status).toBe(409);
  });
});

describe('the lists of names', () => {
  it('let a name in until its window ends', async () => {
    await registry.order('POST', '/v1/allowed', { devices: ['Pump-1', 'pump-1', 'pump-2'], hours: 2 });
    await registry.order('POST', '/v1/allowed', { devices: ['pump-3'], hours: 0, tags: { site: ['north'] } });
    const { devices } = await registry.get('/v1/allowed?search=PUMP', allowList);
    expect(devices).toMatchObject([
      { deviceId: 'pump-1', until: '2026-06-01T14:00:00.000Z', actor: 'local-admin' },
      { deviceId: 'pump-2' },
      { deviceId: 'pump-3', tags: { site: ['north'] } },
    ]);
    expect(devices[2]?.until).toBeUndefined();
    await registry.order('DELETE', '/v1/allowed/PUMP-2');
    expect(await registry.refusal('DELETE', '/v1/allowed/pump-2')).toBe('404 "pump-2" is not on the allow list.');
  });

  it('deny a known device at every entrance, and end its sessions, until it is taken off', async () => {
    await register('a');
    await registry.order('POST', '/v1/denied', { devices: ['A'], reason: 'lost' });
    await waitFor(() => registry.announced.at(-1)?.state === 'locked');
    expect(await registry.admit(peer({ deviceId: 'a', fingerprint: fingerprintOf('a') }))).toBe('identity-denied');
    expect((await registry.get('/v1/denied', denyList)).denied).toMatchObject([{ deviceId: 'A', reason: 'lost' }]);
    await registry.order('DELETE', '/v1/denied/a');
    expect(await registry.admit(peer({ deviceId: 'a', fingerprint: fingerprintOf('a') }))).toBe('admitted');
  });

  it('deny a certificate, and nothing else of its device', async () => {
    await register('a');
    await registry.order('POST', '/v1/denied', { fingerprints: [fingerprintOf('a')] });
    expect(await registry.admit(peer({ deviceId: 'a', fingerprint: fingerprintOf('a') }))).toBe('identity-denied');
    await register('a', { fingerprint: fingerprintOf('a, renewed'), serialNumber: '02' });
  });
});

describe('a CSV file', () => {
  it('brings names onto the allow list, and names every row with a fault', async () => {
    await register('known');
    const csv = '\ufeffID\r\npump-1\r\n"pump-2"\r\n\r\n=cmd()\r\nknown\r\na/b\r\npump-3,extra\r\n';
    const { allowed, unchanged, faults } = await importCsv(csv);
    expect({ allowed, unchanged, rows: faults.map(({ id }) => id) }).toEqual({
      allowed: 2,
      unchanged: 1,
      rows: ['=cmd()', 'a/b', 'pump-3'],
    });
    expect((await registry.get('/v1/allowed', allowList)).devices).toHaveLength(2);
  });

  it('binds a name to its certificate', async () => {
    const { certPem } = await TestCa.create({ subject: [['CN', 'pump-1']] });
    const csv = `ID, SSL Client Certificate\npump-1,"${certPem}"\npump-2,"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"\npump-3,nothing\n`;
    const { allowed, faults } = await importCsv(csv);
    expect(allowed).toBe(1);
    expect(faults.map(({ fault }) => fault)).toEqual([
      'The cell holds a private key. Never give it to anybody; make a new one.',
      'The cell holds no certificate.',
    ]);
    const [entry] = (await registry.get('/v1/allowed', allowList)).devices;
    expect(entry?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it('changes nothing when it is only checked', async () => {
    expect(await importCsv('ID\npump-1\n', { mode: 'check' })).toEqual({ allowed: 1, unchanged: 0, faults: [] });
    expect((await registry.get('/v1/allowed', allowList)).devices).toEqual([]);
  });

  it.each([
    ['without a header', 'pump-1\npump-2\n', 'the first line is not "ID" and not "ID, SSL Client Certificate"'],
    ['cut off in a cell', 'ID\n"pump', 'CSV file format invalid'],
    [
      'longer than one request',
      `ID\n${'x\n'.repeat(201)}`,
      '201 rows are too many for one request; send 200 at a time',
    ],
  ])('is refused when it is %s', async (_, csv, fault) => {
    const payload = { csv, mode: 'import' };
    const { status, body } = await registry.inject({ method: 'POST', url: '/v1/devices-import', payload });
    expect({ status, body }).toMatchObject({ status: 400, body: { detail: expect.stringContaining(fault) } });
  });

  it('with devices holds no formula, and is one file when its parts are put together', async () => {
    for (const name of ['a', 'b', 'c']) await register(name);
    await tag('b', { set: { note: ['he said "hi", twice'] } });
    const authorityName = '=HYPERLINK("x")';
    await register('d', {
      issuedHere: false,
      issuerFingerprint: fingerprintOf('f'),
      authorityName,
      serialNumber: '02',
    });
    const first = await registry.get('/v1/devices-export?limit=3', exportPart);
    const rest = await registry.get(`/v1/devices-export?limit=3&cursor=${first.cursor}`, exportPart);
    const lines = (first.csv + rest.csv).split('\r\n');
    expect(lines[0]).toBe('ID,Kind,State,Connector,Authority,Registered,Certificate Until,Last Seen,Tags');
    expect(lines).toHaveLength(6);
    expect(lines[2]).toContain(',"note=he said ""hi"", twice"');
    expect(lines[4]).toContain(`,"'=HYPERLINK(""x"")",`);
  });
});
