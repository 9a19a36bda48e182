import { Mqtt, type MqttSubscription } from '@sallyport/mqtt';
import { ocfDeviceId, ocfUuid } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis, TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { Timeline } from '@sallyport/timeline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceSession } from '../sessions/device-session.js';
import { SignedInDevices } from '../sessions/signed-in-devices.js';
import { DevicePresence } from './device-presence.js';
import { GatewayLease } from './gateway-lease.js';
import { presenceOf, recordKey } from './presence-record.js';
import { PresenceRecords } from './presence-records.js';
import { SupersededSessions } from './superseded-sessions.js';

const lamp = ocfUuid.parse('b5a2a42e-b285-42f1-a36b-034c8fc8efd5');
const log = openLog({ destination: { write: () => undefined } });

/** Nobody listens: the tests read the timeline in the store. */
class NoMqtt extends Mqtt {
  readonly isConnected = false;
  override publish(): Promise<void> {
    return Promise.resolve();
  }
  override subscribe(): Promise<MqttSubscription> {
    return Promise.reject(new Error('nobody subscribes here'));
  }
  override onReconnect(): void {}
  override async close(): Promise<void> {}
}

describe.each(['SQLite', 'Redis'] as const)('the presence of devices at gateways with one store on %s', (engine) => {
  let opened: AsyncDisposableStack;
  let store: Store;
  let clock: TestClock;
  let timeline: Timeline;

  beforeEach(async () => {
    opened = new AsyncDisposableStack();
    clock = new TestClock(new Date('2026-06-01T12:00:00Z'));
    store = opened.adopt(await openStore(), (each) => each.close());
    timeline = new Timeline(store, new NoMqtt(), clock, log);
  });
  afterEach(() => opened.disposeAsync());

  async function openStore(): Promise<Store> {
    if (engine === 'Redis') {
      const { url } = opened.adopt(await spawnRedis(), (redis) => redis.kill());
      return openRedisStore({ url, clock: clock.nowMs });
    }
    const directory = opened.adopt(temporaryDirectory(), (folder) => folder.remove());
    return openSqliteStore({ file: directory.file('store.db'), clock: clock.nowMs });
  }

  function gateway(replica: string) {
    const sessions = new SignedInDevices();
    const lease = new GatewayLease({ store, clock, replica, ttlSeconds: 60 });
    const records = new PresenceRecords(store, timeline);
    const ended: string[] = [];
    const supersede = ({ connectionId }: DeviceSession) => void ended.push(connectionId);
    const presence = new DevicePresence({ records, lease, sessions, supersede, store, clock, log, renewMs: 20_000 });
    const superseded = new SupersededSessions({ store, sessions, supersede, onFault: () => undefined });
    opened.defer(() => superseded.beforeApplicationShutdown());
    return { presence, sessions, superseded, ended };
  }

  const session = (connectionId: string, device = lamp) => ({
    device,
    deviceId: ocfDeviceId(device),
    owner: 'alice',
    connectionId,
    remoteAddress: '192.0.2.7',
    signal: new AbortController().signal,
    get endpoint(): never {
      throw new Error('presence sends nothing to a device');
    },
  });
  const recordOf = async (device = lamp) => presenceOf(await store.get(recordKey(ocfDeviceId(device))));
  const isOnline = async (device = lamp) => (await recordOf(device))?.isOnline;
  const events = async () => {
    const told = await timeline.events({ deviceId: ocfDeviceId(lamp), limit: 100 });
    return told.map(({ type, payload }) => [type, payload?.['reason']]).toReversed();
  };
  const marks = async () => (await store.list('presence/online/')).entries.length;

  it('begins with the sign-in and ends with the session, and the timeline tells of both', async () => {
    const { presence } = gateway('a');
    presence.online(session('first'));
    await presence.idle();
    expect(await recordOf()).toMatchObject({ isOnline: true, owner: 'alice', connectedAt: '2026-06-01T12:00:00.000Z' });
    clock.advance(30);
    presence.offline(session('first'));
    await presence.idle();
    expect(await recordOf()).toMatchObject({
      isOnline: false,
      connectedAt: '2026-06-01T12:00:00.000Z',
      offlineAt: '2026-06-01T12:00:30.000Z',
    });
    expect(await events()).toEqual([
      ['connect', undefined],
      ['disconnect', undefined],
    ]);
    expect(await marks()).toBe(0);
  });

  it('keeps one lease, also when the devices of a whole site sign in at once', async () => {
    const { presence } = gateway('a');
    for (let index = 100; index < 200; index += 1)
      presence.online(session('first', ocfUuid.parse(`00000000-0000-4000-8000-000000000${index}`)));
    await presence.idle();
    await presence.round();
    expect((await store.list('presence/gateway/')).entries).toHaveLength(1);
    expect(await marks()).toBe(100);
  });

  it('is told once of one connection, however often the device signs in on it', async () => {
    const { presence } = gateway('a');
    for (let times = 0; times < 3; times += 1) presence.online(session('first'));
    await presence.idle();
    expect(await events()).toEqual([['connect', undefined]]);
  });

  it('stays when an older connection ends, at the same gateway or another one', async () => {
    const [a, b] = [gateway('a'), gateway('b')];
    a.presence.online(session('first'));
    await a.presence.idle();
    b.presence.online(session('second'));
    await b.presence.idle();
    a.presence.offline(session('first'));
    await a.presence.idle();
    expect(await recordOf()).toMatchObject({ isOnline: true, connectionId: 'second' });
    expect(await events()).toEqual([
      ['connect', undefined],
      ['disconnect', 'superseded'],
      ['connect', undefined],
    ]);
    expect(await marks()).toBe(1);
  });

  it('ends within the lease and a round when the gateway is killed with a hundred devices', async () => {
    const [dead, alive] = [gateway('a'), gateway('b')];
    const devices = Array.from({ length: 100 }, (_device, index) =>
      ocfUuid.parse(`00000000-0000-4000-8000-${String(index).padStart(12, '0')}`),
    );
    for (const device of devices) dead.presence.online(session('first', device));
    alive.presence.online(session('other'));
    await dead.presence.idle();
    for (const seconds of [20, 20, 19]) {
      clock.advance(seconds);
      await alive.presence.round();
    }
    expect(await Promise.all(devices.map(isOnline))).not.toContain(false);
    clock.advance(20);
    await alive.presence.round();
    expect(await Promise.all(devices.map(isOnline))).not.toContain(true);
    expect(await isOnline()).toBe(true);
    expect(await marks()).toBe(1);
  });

  it('ends at once when the gateway that was killed starts again under its name', async () => {
    const dead = gateway('a');
    dead.presence.online(session('first'));
    await dead.presence.idle();
    await gateway('a').presence.round();
    expect(await isOnline()).toBe(false);
    expect(await events()).toEqual([
      ['connect', undefined],
      ['disconnect', 'gateway-lost'],
    ]);
  });

  it('comes back when a gateway was taken for dead that is not', async () => {
    const [slow, other] = [gateway('a'), gateway('b')];
    slow.sessions.enter(session('first'));
    slow.presence.online(session('first'));
    await slow.presence.idle();
    await other.presence.round();
    clock.advance(61);
    await other.presence.round();
    await other.presence.round();
    expect(await isOnline()).toBe(false);
    await slow.presence.round();
    await slow.presence.idle();
    expect(await isOnline()).toBe(true);
    slow.presence.offline(session('first'));
    await slow.presence.idle();
    expect(await isOnline()).toBe(false);
    expect(await marks()).toBe(0);
  });

  it('comes back also when the store fails in the middle of that', async () => {
    const [slow, other] = [gateway('a'), gateway('b')];
    const first = session('first');
    slow.sessions.enter(first);
    slow.presence.online(first);
    await slow.presence.idle();
    clock.advance(61);
    await other.presence.round();
    expect(await isOnline()).toBe(false);
    const write = store.transaction.bind(store);
    const isTaking = (operations: Parameters<Store['transaction']>[1]) => operations.length > 1;
    store.transaction = (conditions, operations) =>
      isTaking(operations) ? Promise.reject(new Error('no room')) : write(conditions, operations);
    await expect(slow.presence.round()).rejects.toThrow('no room');
    store.transaction = write;
    await slow.presence.round();
    expect(await isOnline()).toBe(true);
  });

  it('of the newer connection counts when a gateway was taken for dead, and the older one is closed', async () => {
    const [slow, other] = [gateway('a'), gateway('b')];
    const first = session('first');
    slow.sessions.enter(first);
    slow.presence.online(first);
    await slow.presence.idle();
    clock.advance(61);
    await other.presence.round();
    other.presence.online(session('second'));
    await other.presence.idle();
    await slow.presence.round();
    await slow.presence.idle();
    expect(await recordOf()).toMatchObject({ isOnline: true, connectionId: 'second' });
    expect(slow.ended).toEqual(['first']);
  });

  it('is that of one connection: a sign-in at another gateway closes the older one', async () => {
    const [a, b] = [gateway('a'), gateway('b')];
    for (const { superseded } of [a, b]) superseded.onApplicationBootstrap();
    a.sessions.enter(session('first'));
    a.presence.online(session('first'));
    await a.presence.idle();
    b.sessions.enter(session('second'));
    b.presence.online(session('second'));
    await waitFor(() => a.ended.length > 0);
    expect([a.ended, b.ended]).toEqual([['first'], []]);
  });

  it('ends when the gateway stops, also for a device whose session nobody has ended', async () => {
    const { presence } = gateway('a');
    presence.online(session('first'));
    await presence.beforeApplicationShutdown();
    await presence.onApplicationShutdown();
    expect(await isOnline()).toBe(false);
    expect((await store.list('presence/gateway/')).entries).toEqual([]);
  });

  it('is written later when the store was full, and only what is still true', async () => {
    const { presence } = gateway('a');
    const write = store.transaction.bind(store);
    store.transaction = () => Promise.reject(new Error('no room'));
    presence.online(session('first'));
    presence.offline(session('first'));
    presence.online(session('second'));
    await presence.idle();
    store.transaction = write;
    await presence.round();
    await presence.idle();
    expect(await recordOf()).toMatchObject({ isOnline: true, connectionId: 'second' });
    expect(await events()).toEqual([['connect', undefined]]);
  });
});
