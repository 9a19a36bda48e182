import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import type { BrokerLimits } from './limits.js';
import { ManualClient, type ManualClientOptions } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

/** Everything is allowed: what counts here is room. */
const rules = { mayPublish: () => true, maySubscribe: () => true, mayReceive: () => true };

async function start(limits: Partial<BrokerLimits>) {
  const warnings: string[] = [];
  const site = await TestBroker.start({ limits, rules, onWarning: (text) => void warnings.push(text) });
  const device = (name: string, options: ManualClientOptions = {}) =>
    ManualClient.open(site.broker, {
      clientId: name,
      peer: { deviceId: deviceId.parse(name.split('-', 1)[0]), kind: 'device' },
      ...options,
    });
  return { site, broker: site.broker, warnings, device };
}

/** Leaves a kept session with a subscription behind. */
async function leaveSession(client: ManualClient, filter: string): Promise<void> {
  await client.subscribe({ [filter]: 1 });
  await client.disconnect();
}

describe('the share of an identity', () => {
  it('bounds its subscriptions over all of its sessions, and leaves others theirs', async () => {
    const { site, device, warnings } = await start({ subscriptionsPerIdentity: 3 });
    await using _ = site;
    await using first = await device('greedy-1');
    await using second = await device('greedy-2');
    await using modest = await device('modest');
    expect(await first.subscribe({ a: 0, b: 0 })).toEqual([0, 0]);
    expect(await second.subscribe({ a: 0, b: 0 })).toEqual([0, 0x80]);
    expect(await modest.subscribe({ a: 0, b: 0, c: 0 })).toEqual([0, 0, 0]);
    expect(warnings).toEqual(['a subscription was refused']);
    await first.disconnect();
    expect(await second.subscribe({ b: 0, c: 0 })).toEqual([0, 0]);
  });

  it('bounds the sessions it keeps; the answer says that the server is not available', async () => {
    const { site, device, broker } = await start({ sessionsPerIdentity: 2 });
    await using _ = site;
    for (const name of ['greedy-1', 'greedy-2']) await (await device(name, { isClean: false })).disconnect();
    const peer = { deviceId: deviceId.parse('greedy'), kind: 'device' } as const;
    await using third = ManualClient.start(broker, { clientId: 'greedy-3', isClean: false, peer });
    expect((await third.next('connack')).reasonCode).toBe(3);
    await (await device('modest', { isClean: false })).disconnect();
    // Ending one makes room.
    await (await device('greedy-1', { isClean: true })).disconnect();
    await (await device('greedy-3', { isClean: false })).disconnect();
  });

  it('bounds what waits for it; its own messages are dropped, and the publisher goes on', async () => {
    const { site, device, broker, warnings } = await start({ queuedBytesPerIdentity: 4_000, queuedBytesInAll: 20_000 });
    await using _ = site;
    for (const name of ['greedy-1', 'greedy-2', 'modest'])
      await leaveSession(await device(name, { isClean: false }), '#');
    await using publisher = await device('publisher');
    for (const payload of ['1', '2', '3']) await publisher.publishKept('a', payload.repeat(1_000));
    await using modest = await device('modest', { isClean: false });
    await modest.messages(2);
    expect(broker.counters.dropped['session-full']).toBeGreaterThan(0);
    expect(warnings[0]).toBe('a message was not kept, its session is full');
  });

  it('counts the subscription identifiers that wait with a message: a client may have a thousand', async () => {
    const { site, device, broker } = await start({ queuedBytesPerIdentity: 4_000 });
    await using _ = site;
    const properties = { sessionExpiryInterval: 600 };
    const greedy = await device('greedy', { version: 5, isClean: false, properties });
    for (let each = 0; each < 300; each += 1) {
      // Each filter matches, and each in another way.
      const filter = each.toString(2).padStart(9, '0').replaceAll('0', 'a/').replaceAll('1', '+/');
      greedy.send({
        type: 'subscribe',
        packetId: 1,
        subscriptions: [{ filter: `${filter}#`, qos: 1, noLocal: false, retainAsPublished: true, retainHandling: 2 }],
        properties: { subscriptionIdentifiers: [each + 1] },
      });
      await greedy.next('suback');
    }
    await greedy.disconnect();
    await using publisher = await device('publisher');
    const topic = Array(9).fill('a').join('/');
    for (let count = 0; count < 2; count += 1) await publisher.publishKept(topic, 'x');
    // The first one has 2,400 bytes of identifiers.
    expect(broker.counters.dropped['session-full']).toBe(1);
  });

  it('is that of its network for a client that proves nothing', async () => {
    const { site, broker } = await start({ subscriptionsPerIdentity: 1 });
    await using _ = site;
    await using first = await ManualClient.open(broker, { clientId: '1', network: '10.0.0.1' });
    await using second = await ManualClient.open(broker, { clientId: '2', network: '10.0.0.1' });
    await using elsewhere = await ManualClient.open(broker, { clientId: '3', network: '10.0.0.2' });
    expect(await first.subscribe({ a: 0 })).toEqual([0]);
    expect(await second.subscribe({ a: 0 })).toEqual([0x80]);
    expect(await elsewhere.subscribe({ a: 0 })).toEqual([0]);
  });

  it.each(['local-client', 'stranger'])('bounds the service certificate "%s" as that of a device', async (name) => {
    const { site, device } = await start({ subscriptionsPerIdentity: 1 });
    await using _ = site;
    await using client = await device('one', { peer: { deviceId: deviceId.parse(name), kind: 'service' } });
    expect(await client.subscribe({ a: 0, b: 0 })).toEqual([0, 0x80]);
  });

  it('does not bound a service of ours in another process', async () => {
    const { site, device } = await start({ subscriptionsPerIdentity: 1 });
    await using _ = site;
    await using client = await device('one', { peer: { deviceId: deviceId.parse('agent'), kind: 'service' } });
    expect(await client.subscribe({ a: 0, b: 0 })).toEqual([0, 0]);
  });

  it.each([{ retainedMessagesPerIdentity: 2 }, { retainedBytesPerIdentity: 1_500 }])(
    'bounds its retained messages with %j; one too many is not acknowledged',
    async (limits) => {
      const { site, device, warnings } = await start(limits);
      await using _ = site;
      await using greedy = await device('greedy');
      for (const topic of ['a', 'b']) await greedy.publishKept(topic, 'x', { retain: true });
      greedy.publish('c', 'x', { retain: true, qos: 1, packetId: 7 });
      await greedy.closed();
      expect(greedy.received).toEqual([]);
      expect(warnings).toEqual(['a retained message was not kept, its publisher has used its share']);
      await using modest = await device('modest');
      await modest.publishKept('d', 'x', { retain: true });
      // A new state of a topic it has already, and its end, need no more room.
      await using again = await device('greedy');
      await again.publishKept('a', 'y', { retain: true });
      await again.publishKept('b', '', { retain: true });
      await again.publishKept('c', 'x', { retain: true });
      await modest.subscribe({ '#': 0 });
      expect((await modest.messages(3)).sort()).toEqual(['a y 0 retained', 'c x 0 retained', 'd x 0 retained']);
    },
  );

  it('passes a QoS 0 message on that it cannot retain', async () => {
    const { site, device } = await start({ retainedMessagesPerIdentity: 0 });
    await using _ = site;
    await using listening = await device('listening');
    await listening.subscribe({ a: 0 });
    await using greedy = await device('greedy');
    greedy.publish('a', 'x', { retain: true });
    expect(await listening.messages(1)).toEqual(['a x 0']);
  });
});

describe('the room of all clients together', () => {
  it('when it is used up, nothing more is acknowledged for a session within its own share', async () => {
    const { site, device, warnings } = await start({ queuedBytesPerIdentity: 4_000, queuedBytesInAll: 6_000 });
    await using _ = site;
    for (const name of ['one', 'two']) await leaveSession(await device(name, { isClean: false }), name);
    await using publisher = await device('publisher');
    for (const topic of ['one', 'two']) await publisher.publishKept(topic, 'x'.repeat(1_500));
    publisher.publish('two', 'x'.repeat(1_000), { qos: 1, packetId: 7 });
    await publisher.closed();
    expect(publisher.received).toEqual([]);
    expect(warnings).toEqual(['a publication was not acknowledged, the queues of all clients are full']);
    // One that reads what waits for it makes room.
    await using one = await device('one', { isClean: false });
    const { packetId } = await one.next('publish');
    one.acknowledge('puback', packetId);
    await one.settle();
    await using again = await device('publisher');
    await again.publishKept('two', 'x'.repeat(1_000));
  });
});

describe('a retained message', () => {
  it('comes later to a client whose share is full when it subscribes', async () => {
    const { site, device } = await start({ queuedBytesPerIdentity: 4_000 });
    await using _ = site;
    await using publisher = await device('publisher');
    for (const topic of ['state-1', 'state-2']) await publisher.publishKept(topic, 'x', { retain: true });
    await leaveSession(await device('greedy-1', { isClean: false }), 'fill');
    await publisher.publishKept('fill', 'x'.repeat(3_000));
    await using reader = await device('greedy-2');
    await reader.subscribe({ 'state-1': 1, 'state-2': 1 });
    await reader.settle();
    expect(reader.received).toEqual([]);
    await (await device('greedy-1', { isClean: true })).disconnect();
    expect((await reader.messages(2)).sort()).toEqual(['state-1 x 1 retained #1', 'state-2 x 1 retained #2']);
  });
});

describe('a fleet', () => {
  it('of many clients that hear everything, on many topics, costs no memory for each pair of them', async () => {
    const { site, broker } = await start({});
    await using _ = site;
    const away = { isClean: false, network: '10.0.0.1' };
    for (let index = 0; index < 100; index += 1)
      await leaveSession(await ManualClient.open(broker, { ...away, clientId: String(index) }), '#');
    await using publisher = await ManualClient.open(broker, { clientId: 'publisher' });
    const before = usedHeap();
    for (let index = 0; index < 3_000; index += 1) publisher.publish(`topic/${index}`, 'x');
    await publisher.settle();
    expect(usedHeap() - before).toBeLessThan(60 * 1024 * 1024);
  });
});

function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
