import { connectMqtt, type Mqtt, subscribeEvent } from '@sallyport/mqtt';
import {
  auditPage,
  claimDevice,
  deviceEvent,
  deviceOwnerChanged,
  listOwnedDevices,
  readOwner,
  releaseDevice,
} from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fingerprintOf, issued, peer, RegistryUnderTest } from '../registry.fixture.js';

const lamp = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const remoteAddress = '192.0.2.7';

describe('the owner of a device', () => {
  let registry: RegistryUnderTest;
  let mqtt: Mqtt;
  const announced: z.infer<typeof deviceOwnerChanged.payload>[] = [];

  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    announced.length = 0;
    mqtt = await connectMqtt(registry.connection('gateway'));
    await subscribeEvent(mqtt, deviceOwnerChanged, async (change) => void announced.push(change));
  });
  afterEach(async () => {
    await mqtt.close();
    await registry.stop();
  });

  const claim = async (name: string, owner: string) =>
    (await registry.ask(claimDevice, { deviceId: name, owner, remoteAddress })).outcome;
  const release = async (name: string, owner: string) =>
    (await registry.ask(releaseDevice, { deviceId: name, owner, remoteAddress })).outcome;
  const ownerOf = async (name: string) => (await registry.ask(readOwner, { deviceId: name })).owner;
  const owned = async (owner: string) => (await registry.ask(listOwnedDevices, { owner })).devices;
  const actions = async () => (await registry.get('/v1/audit', auditPage)).rows.map(({ action }) => action);
  const events = async () => {
    const page = z.object({ events: z.array(deviceEvent) });
    const read = await registry.get(`/v1/devices/${lamp}/timeline`, z.looseObject(page.shape));
    return read.events.map(({ type, payload }) => [type, payload?.['owner']]).toReversed();
  };

  it('is who signs it up first; a device that nobody knows is registered', async () => {
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await claim(lamp, 'alice')).toBe('owned');
    expect(await ownerOf(lamp)).toBe('alice');
    expect(await owned('alice')).toEqual([lamp]);
    expect((await registry.device(lamp)).state).toBe('active');
    expect(await actions()).toEqual(['device-registered', 'device-owner-set']);
    expect(await events()).toEqual([
      ['provisioned', undefined],
      ['owner_changed', 'alice'],
    ]);
    await waitFor(() => announced.length > 0);
    expect(announced).toEqual([{ deviceId: lamp, owner: 'alice' }]);
  });

  it('stays when somebody else signs it up; a second sign-up of the owner writes nothing', async () => {
    await claim(lamp, 'alice');
    expect(await claim(lamp, 'bob')).toBe('owned-by-another');
    expect(await claim(lamp, 'alice')).toBe('owned');
    expect(await claim(lamp.toUpperCase(), 'bob')).toBe('owned-by-another');
    expect(await ownerOf(lamp)).toBe('alice');
    expect(await owned('bob')).toEqual([]);
    expect(await actions()).toEqual(['device-registered', 'device-owner-set']);
  });

  it('is one of fifty who sign it up at once', async () => {
    const names = Array.from({ length: 50 }, (_name, index) => `owner-${index}`);
    const outcomes = await Promise.all(names.map((name) => claim(lamp, name)));
    expect(outcomes.filter((outcome) => outcome === 'owned')).toHaveLength(1);
    expect(await ownerOf(lamp)).toBe(names[outcomes.indexOf('owned')]);
  });

  it('gives it up, and nobody else does', async () => {
    await claim(lamp, 'alice');
    expect(await release(lamp, 'bob')).toBe('not-owned');
    expect(await release(lamp, 'alice')).toBe('released');
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await owned('alice')).toEqual([]);
    expect(await release(lamp, 'alice')).toBe('not-owned');
    expect(await actions()).toEqual(['device-registered', 'device-owner-set', 'device-owner-removed']);
    await waitFor(() => announced.length > 1);
    expect(announced[1]).toEqual({ deviceId: lamp });
    expect(await claim(lamp, 'bob')).toBe('owned');
  });

  it('gives it up together with its certificates of this site', async () => {
    await registry.admit(peer({ deviceId: lamp }));
    await claim(lamp, 'alice');
    await release(lamp, 'alice');
    expect(await registry.admit(peer({ deviceId: lamp }))).toBe('certificate-revoked');
    await waitFor(() => registry.announced.some(({ fingerprints }) => fingerprints.includes(peer().fingerprint)));
    const next = { deviceId: lamp, fingerprint: fingerprintOf('second'), serialNumber: '02' };
    await registry.issued(issued(next));
    expect(await registry.admit(peer(next))).toBe('admitted');
    expect(await claim(lamp, 'bob')).toBe('owned');
  });

  it('loses it when it is deleted; then nobody signs it up before an administrator releases its name', async () => {
    await claim(lamp, 'alice');
    await registry.order('DELETE', `/v1/devices/${lamp}`);
    expect(await ownerOf(lamp)).toBeUndefined();
    expect(await owned('alice')).toEqual([]);
    await waitFor(() => announced.length > 1);
    expect(announced[1]).toEqual({ deviceId: lamp });
    expect(await claim(lamp, 'alice')).toBe('device-refused');
    await registry.order('DELETE', `/v1/tombstones/${lamp}`);
    expect(await claim(lamp, 'alice')).toBe('owned');
  });

  it.each(['lock', 'revoke', 'retire'])('cannot be set after %s', async (action) => {
    await registry.admit(peer({ deviceId: lamp }));
    await registry.change(lamp, action);
    expect(await claim(lamp, 'alice')).toBe('device-refused');
  });

  it('cannot be set for a name that an administrator denies, or that is none of OCF', async () => {
    await registry.order('POST', '/v1/denied', { devices: [lamp] });
    expect(await claim(lamp, 'alice')).toBe('device-refused');
    expect(await claim('pump-17', 'alice')).toBe('device-refused');
    expect(await claim('uuid:1', 'alice')).toBe('device-refused');
  });

  it('stays when it is locked and unlocked', async () => {
    await claim(lamp, 'alice');
    await registry.change(lamp, 'lock');
    await registry.change(lamp, 'unlock');
    expect(await ownerOf(lamp)).toBe('alice');
  });
});
