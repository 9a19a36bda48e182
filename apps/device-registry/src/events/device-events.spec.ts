import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import { type DeviceEvent, deviceEvent } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

describe('the events of a device on MQTT', () => {
  let registry: RegistryUnderTest;
  let listener: Mqtt;
  const heard: { readonly topic: string; readonly event: DeviceEvent }[] = [];

  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    listener = await connectMqtt(registry.connection('listener'));
    heard.length = 0;
    await listener.subscribe('sallyport/events/#', (topic, payload) => {
      heard.push({ topic, event: deviceEvent.parse(JSON.parse(payload.toString())) });
    });
  });
  afterEach(async () => {
    await listener.close();
    await registry.stop();
  });

  const types = () => heard.map(({ event }) => event.type);
  const until = (count: number) => waitFor(() => heard.length >= count, { what: `event ${count}` });

  it('tell its life in order: provisioned, another certificate, locked, unlocked, revoked, reinstated', async () => {
    await registry.admit(peer());
    await registry.admit(peer({ fingerprint: fingerprintOf('second'), serialNumber: '02' }));
    await registry.change('child01', 'lock', 'stolen');
    await registry.change('child01', 'unlock');
    await registry.change('child01', 'revoke');
    const fingerprint = issued({ fingerprint: fingerprintOf('third') }).fingerprint;
    await registry.issued(
      issued({ fingerprint, serialNumber: '03', reinstate: true, issuedAt: '2026-06-01T12:00:02Z' }),
    );
    await until(6);
    expect(types()).toEqual(['provisioned', 'certificate_added', 'locked', 'unlocked', 'revoked', 'reinstated']);
    expect(new Set(heard.map(({ topic }) => topic))).toEqual(new Set(['sallyport/events/site/child01']));
  });

  it('say when, who, from where and why', async () => {
    await registry.admit(peer({ remoteAddress: '192.0.2.7', entrance: 'http' }));
    await registry.change('child01', 'lock', 'stolen');
    await until(2);
    expect(heard.map(({ event: { id: _, ...event } }) => event)).toEqual([
      {
        type: 'provisioned',
        device: 'child01',
        at: '2026-06-01T12:00:00.000000Z',
        actor: 'entrance:http',
        address: '192.0.2.7',
        fingerprint: fingerprintOf('first'),
        payload: { entrance: 'http' },
      },
      {
        type: 'locked',
        device: 'child01',
        at: '2026-06-01T12:00:00.000001Z',
        actor: 'local-admin',
        payload: { reason: 'stolen' },
      },
    ]);
  });

  it('are in the order of their ids', async () => {
    await registry.admit(peer());
    for (const action of ['lock', 'unlock', 'lock']) await registry.change('child01', action);
    await until(4);
    const ids = heard.map(({ event }) => event.id);
    expect(ids).toEqual(ids.toSorted());
  });

  it('come once after fifty first contacts at the same time', async () => {
    const contacts = Array.from({ length: 50 }, () => registry.admit(peer()));
    expect(new Set(await Promise.all(contacts))).toEqual(new Set(['admitted']));
    await registry.change('child01', 'lock');
    await until(2);
    expect(types()).toEqual(['provisioned', 'locked']);
  });

  it('go on after a restart', async () => {
    await registry.admit(peer());
    await until(1);
    await registry.stopService();
    await registry.startService();
    await registry.change('child01', 'lock');
    await until(2);
    expect(types()).toEqual(['provisioned', 'locked']);
  });

  it.each(['service', 'admin'] as const)('are not told of a peer of kind %s', async (kind) => {
    await registry.admit(peer({ kind, deviceId: 'alice' }));
    await registry.admit(peer({ deviceId: 'child02', fingerprint: fingerprintOf('other') }));
    await until(1);
    expect(heard.map(({ event }) => event.device)).toEqual(['child02']);
  });
});
