import { auditPage, auditVerdict } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, peer, RegistryUnderTest } from '../registry.fixture.js';

describe('audit log', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    for (const deviceId of ['a', 'b', 'c', 'd', 'e'])
      await registry.admit(peer({ deviceId, fingerprint: fingerprintOf(deviceId) }));
  });
  afterEach(() => registry.stop());

  const verify = () => registry.get('/v1/audit/verify', auditVerdict);
  const rowKey = (sequence: number) => `audit/row/${String(sequence).padStart(16, '0')}`;
  const rowAt = async (sequence: number): Promise<JsonValue> =>
    (await registry.store.get(rowKey(sequence)))?.value ?? null;

  it('tells who did what to whom, when, and with which outcome', async () => {
    await registry.change('c', 'lock', 'lost');
    const { rows } = await registry.get('/v1/audit?after=5', auditPage);
    expect(rows).toMatchObject([
      {
        sequence: 6,
        at: '2026-06-01T12:00:00.000Z',
        actor: 'local-admin',
        action: 'device-locked',
        subject: 'c',
        outcome: 'succeeded',
        details: { from: 'active', to: 'locked', reason: 'lost' },
      },
    ]);
  });

  it('chains every row to the one before', async () => {
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(rows[0]?.previousHash).toBe('0'.repeat(64));
    for (const [index, row] of rows.slice(1).entries()) expect(row.previousHash).toBe(rows[index]?.hash);
  });

  it('pages through all rows', async () => {
    const first = await registry.get('/v1/audit?limit=3', auditPage);
    expect([first.rows.length, first.after]).toEqual([3, 3]);
    const rest = await registry.get(`/v1/audit?limit=3&after=${first.after}`, auditPage);
    expect(rest.rows.map(({ sequence }) => sequence)).toEqual([4, 5]);
    expect(rest.after).toBeUndefined();
  });

  it('is intact when nobody touched it, also after a restart', async () => {
    const before = await verify();
    expect(before).toMatchObject({ intact: true, rows: 5 });
    await registry.restart();
    expect(await verify()).toEqual(before);
    await registry.change('a', 'lock');
    expect(await verify()).toMatchObject({ intact: true, rows: 6 });
  });

  it.each(['sequence', 'at', 'actor', 'action', 'subject', 'outcome', 'details', 'previousHash', 'hash'])(
    'shows a byte that was flipped in "%s" of a row',
    async (field) => {
      const row = JSON.stringify(await rowAt(3));
      const value = row.indexOf(`"${field}":`) + field.length + 3;
      const position = value + (row[value] === '"' ? 1 : row[value] === '{' ? 2 : 0);
      const flipped = row[position] === '0' ? '1' : '0';
      await registry.store.put(rowKey(3), JSON.parse(row.slice(0, position) + flipped + row.slice(position + 1)));
      expect(await verify()).toMatchObject({ intact: false, rows: 2, brokenAt: 3 });
    },
  );

  it('shows a row that was removed', async () => {
    await registry.store.delete(rowKey(3));
    expect(await verify()).toMatchObject({
      intact: false,
      brokenAt: 3,
      fault: 'row 4 stands where row 3 belongs; rows were removed or moved',
    });
  });

  it('shows rows that were removed at the end', async () => {
    await registry.store.delete(rowKey(5));
    await registry.store.delete(rowKey(4));
    expect(await verify()).toMatchObject({ intact: false, brokenAt: 4, fault: 'the last 2 rows are gone' });
  });

  it('shows rows that changed places', async () => {
    const [second, fourth] = [await rowAt(2), await rowAt(4)];
    await registry.store.put(rowKey(2), fourth);
    await registry.store.put(rowKey(4), second);
    expect(await verify()).toMatchObject({ intact: false, rows: 1, brokenAt: 2 });
  });

  it('shows a row that was added', async () => {
    await registry.store.put(rowKey(6), await rowAt(5));
    expect(await verify()).toMatchObject({ intact: false, rows: 5, brokenAt: 6 });
  });

  it('shows a row that is no row any more', async () => {
    await registry.store.put(rowKey(2), 'gone');
    expect(await verify()).toMatchObject({ intact: false, brokenAt: 2, fault: 'a row is not readable' });
  });
});
