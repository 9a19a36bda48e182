import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointFault } from '@sallyport/audit';
import { auditCheckpoints, auditPage, auditRow, auditVerdict } from '@sallyport/protocol';
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

  it('has its head signed whenever somebody asks, with a key that only its owner reads', async () => {
    const checkpoints = () => registry.get('/v1/audit/checkpoints', auditCheckpoints);
    const [first] = (await checkpoints()).checkpoints;
    await registry.change('a', 'lock');
    await registry.restart();
    const [again, next] = (await checkpoints()).checkpoints;
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect([first, again?.sequence, next?.sequence]).toEqual([again, 5, 6]);
    for (const each of [again, next])
      expect(
        each &&
          checkpointFault(
            each,
            rows.find(({ sequence }) => sequence === each.sequence),
          ),
      ).toBeUndefined();
    expect(next?.keyId).toBe(first?.keyId);
    const key = join(registry.configDirectory, 'audit', 'device-registry.pem');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
  });

  it('shows a row that was changed', async () => {
    const key = 'audit/row/0000000000000003';
    const row = auditRow.parse((await registry.store.get(key))?.value);
    await registry.store.put(key, { ...row, subject: 'somebody-else' });
    expect(await verify()).toEqual({
      intact: false,
      rows: 2,
      brokenAt: 3,
      fault: 'row 3 was changed after it was written',
    });
  });
});
