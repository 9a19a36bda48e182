import {
  auditPage,
  claimDevice,
  type DeviceEvent,
  deviceEvent,
  listOwnedDevices,
  readOwner,
} from '@sallyport/protocol';
import { TestClock, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { RegistryReplicas } from '../replicas.fixture.js';

const lamp = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const patience = { deadlineMs: 20_000 };

describe.each(['SQLite', 'Redis'] as const)('two registries on %s', (engine) => {
  it('give a device to one of fifty owners who sign it up at once, and tell it once', async () => {
    const clock = new TestClock(new Date('2026-06-01T12:00:00Z'));
    await using replicas = await RegistryReplicas.start({ engine, names: ['a', 'b'], clock });
    const events: DeviceEvent[] = [];
    const listener = await replicas.connect('listener');
    await listener.subscribe('sallyport/events/#', (_topic, payload) => {
      events.push(deviceEvent.parse(JSON.parse(payload.toString())));
    });
    const owners = Array.from({ length: 50 }, (_owner, index) => `owner-${index}`);
    const outcomes = await Promise.all(
      owners.map(async (owner) => {
        const request = { deviceId: lamp, owner, remoteAddress: '192.0.2.7' };
        return (await replicas.rpc.call(claimDevice, request, patience)).outcome;
      }),
    );
    const winner = owners[outcomes.indexOf('owned')] ?? '';
    expect(outcomes.filter((outcome) => outcome === 'owned-by-another')).toHaveLength(49);
    expect(await replicas.rpc.call(readOwner, { deviceId: lamp }, patience)).toEqual({ owner: winner });
    expect(await replicas.rpc.call(listOwnedDevices, { owner: winner }, patience)).toEqual({ devices: [lamp] });
    const audit = await replicas.hosts[0]?.app.inject({ method: 'GET', url: '/v1/audit' });
    const { rows } = auditPage.parse(audit?.json<unknown>());
    expect(rows.map(({ action }) => action)).toEqual(['device-registered', 'device-owner-set']);
    await waitFor(() => events.some(({ type }) => type === 'owner_changed'));
    expect(events.map(({ payload }) => payload?.['owner']).filter((owner) => owner !== undefined)).toContain(winner);
  });
});
