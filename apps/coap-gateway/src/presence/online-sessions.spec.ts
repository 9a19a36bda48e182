import { publishEvent } from '@sallyport/mqtt';
import { coapDevice, coapDeviceList, deviceDeleted, deviceId, deviceOwnerChanged } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { Timeline } from '@sallyport/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySite, lamp, send } from '../gateway-site.fixture.js';
import { ChangedDevices } from './changed-devices.js';
import { CoapDevicesController } from './coap-devices.controller.js';
import { DevicePresence } from './device-presence.js';
import { GatewayLease } from './gateway-lease.js';
import { PresenceRecords } from './presence-records.js';

describe('a device at the gateway', () => {
  let site: GatewaySite;
  let presence: DevicePresence;
  let timeline: Timeline;

  beforeEach(async () => {
    site = await GatewaySite.open({
      presence: ({ store, clock, log, mqtt }, sessions) => {
        timeline = new Timeline(store, mqtt, clock, log);
        const lease = new GatewayLease({ store, clock, replica: 'a', ttlSeconds: 60 });
        const records = new PresenceRecords(store, timeline);
        const supersede = () => undefined;
        presence = new DevicePresence({ records, lease, sessions, supersede, store, clock, log, renewMs: 20_000 });
        return presence;
      },
    });
  });
  afterEach(() => site[Symbol.asyncDispose]());

  const list = async () => coapDeviceList.parse(await new CoapDevicesController(site.context.store).list({})).devices;
  const isOnline = async () => (await list())[0]?.isOnline;
  const events = async () => {
    const told = await timeline.events({ deviceId: deviceId.parse(`uuid:${lamp}`), limit: 100 });
    return told.map(({ type }) => type).toReversed();
  };

  it('is listed as online from its sign-in until its sign-out', async () => {
    expect(await list()).toEqual([]);
    await using client = await site.signedIn();
    await presence.idle();
    expect(await list()).toEqual([
      expect.objectContaining({ deviceId: `uuid:${lamp}`, isOnline: true, owner: '1', remoteAddress: '127.0.0.1' }),
    ]);
    expect(await send(client, '/oic/sec/session', { login: false })).toMatchObject({ code: '2.04' });
    await waitFor(async () => (await isOnline()) === false);
    expect(await events()).toEqual(['connect', 'disconnect']);
    const controller = new CoapDevicesController(site.context.store);
    expect(coapDevice.parse(await controller.show({ id: `uuid:${lamp.toUpperCase()}` })).isOnline).toBe(false);
    await expect(controller.show({ id: 'nobody' })).rejects.toMatchObject({ type: 'not-found' });
  });

  it('goes offline when its connection ends', async () => {
    const client = await site.signedIn();
    await presence.idle();
    expect(await isOnline()).toBe(true);
    await client[Symbol.asyncDispose]();
    await waitFor(async () => (await isOnline()) === false);
  });

  it('stays online when its older connection ends after a newer one signed in', async () => {
    await using first = await site.signedIn();
    await using second = await site.signedIn();
    await first[Symbol.asyncDispose]();
    await presence.idle();
    expect(await isOnline()).toBe(true);
    expect((await events()).at(-1)).toBe('connect');
    await second[Symbol.asyncDispose]();
    await waitFor(async () => (await isOnline()) === false);
  });

  it('is listed with its owner of now, also when it has signed off', async () => {
    const { store, mqtt } = site.context;
    await new ChangedDevices(new PresenceRecords(store, timeline), mqtt).onModuleInit();
    const client = await site.signedIn();
    await presence.idle();
    await client[Symbol.asyncDispose]();
    const device = deviceId.parse(`uuid:${lamp}`);
    await publishEvent(mqtt, deviceOwnerChanged, { deviceId: device, owner: 'bob' });
    await waitFor(async () => (await list())[0]?.owner === 'bob');
    await publishEvent(mqtt, deviceOwnerChanged, { deviceId: device });
    await waitFor(async () => (await list()).length === 1 && (await list())[0]?.owner === undefined);
    expect(await list()).toMatchObject([{ deviceId: device, isOnline: false }]);
  });

  it('is not listed any more when it was deleted, also when it was online', async () => {
    const { store, mqtt } = site.context;
    await new ChangedDevices(new PresenceRecords(store, timeline), mqtt).onModuleInit();
    await using client = await site.signedIn();
    await presence.idle();
    const deleted = deviceId.parse(`uuid:${lamp}`);
    await publishEvent(mqtt, deviceDeleted, { deviceId: deleted, deletedAt: '2026-01-01T00:00:00Z' });
    await publishEvent(mqtt, deviceDeleted, { deviceId: deleted, deletedAt: new Date().toISOString() });
    await waitFor(async () => (await list()).length === 0);
    await client[Symbol.asyncDispose]();
    await presence.idle();
    expect(await list()).toEqual([]);
    expect(await events()).toEqual(['connect', 'disconnect']);
  });

  it('is offline after the gateway has stopped', async () => {
    await using client = await site.signedIn();
    await presence.idle();
    await presence.beforeApplicationShutdown();
    await presence.onApplicationShutdown();
    expect(await isOnline()).toBe(false);
    await client[Symbol.asyncDispose]();
  });
});
