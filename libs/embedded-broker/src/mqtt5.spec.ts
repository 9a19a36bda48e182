import { reasonCodes, type Will } from '@sallyport/mqtt-wire';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
import { connectPacket, messagesOf, publishPacket, WireClient, type WireClientOptions } from './wire-client.fixture.js';

/** A broker whose clocks the test moves. */
class Site {
  elapsedMs = 0;
  readonly broker: EmbeddedBroker;

  constructor(options: EmbeddedBrokerOptions = {}) {
    this.broker = new EmbeddedBroker({
      onWarning: () => undefined,
      now: () => 1_000_000 + this.elapsedMs,
      uptime: () => this.elapsedMs,
      ...options,
    });
    onTestFinished(() => this.broker.close());
  }

  open(clientId: string, options: WireClientOptions = {}): Promise<WireClient> {
    return WireClient.open(this.broker, { version: 5, clientId, ...options });
  }

  connect(clientId: string, options: WireClientOptions = {}) {
    return WireClient.connect(this.broker, { version: 5, clientId, ...options });
  }
}

const will: Will = { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false, properties: undefined };

describe('CONNACK of MQTT 5', () => {
  it('says what the broker takes, and no id that the client has chosen', async () => {
    const { connack } = await new Site().connect('a');
    expect(connack).toEqual({
      type: 'connack',
      sessionPresent: false,
      reasonCode: 0,
      properties: { receiveMaximum: 1_000, maximumPacketSize: 1_048_576, topicAliasMaximum: 10 },
    });
  });

  it('gives an id to a client without one, under which it finds its session again', async () => {
    const site = new Site();
    const kept = { isClean: false, properties: { sessionExpiryInterval: 10 } };
    const { client, connack } = await site.connect('', kept);
    const id = connack.properties?.assignedClientIdentifier ?? '';
    expect(id).not.toBe('');
    client.disconnect();
    expect((await site.connect(id, kept)).connack.sessionPresent).toBe(true);
  });

  it.each([
    [
      'an authentication method',
      { properties: { authenticationMethod: 'SCRAM' } },
      reasonCodes.badAuthenticationMethod,
    ],
    ['a client id that is too long', { clientId: 'a'.repeat(129) }, reasonCodes.clientIdNotValid],
    ['a will it may not publish', { will: { ...will, topic: 'sallyport/v1/x' } }, reasonCodes.notAuthorized],
  ])('refuses %s, with its reason', async (_what, options, reasonCode) => {
    const client = WireClient.dial(new Site().broker, { version: 5 });
    client.send(connectPacket({ version: 5, ...options }));
    expect(await client.rest()).toMatchObject([{ type: 'connack', reasonCode }]);
  });
});

describe('a session of MQTT 5', () => {
  it.each([
    ['no expiry', undefined, false],
    ['expiry 0', { sessionExpiryInterval: 0 }, false],
    ['expiry 1', { sessionExpiryInterval: 1 }, true],
  ])('with %s is there after a disconnection: %3$s', async (_what, properties, isPresent) => {
    const site = new Site();
    (await site.open('a', { properties })).disconnect();
    expect((await site.connect('a', { isClean: false, properties })).connack.sessionPresent).toBe(isPresent);
  });

  it('ends when its time is over', async () => {
    const site = new Site();
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const watcher = await site.open('watcher');
    await watcher.subscribe('w');
    const delayed = { ...will, properties: { willDelayInterval: 3_600 } };
    await (await site.open('a', { ...kept, will: delayed })).cut();
    site.elapsedMs = 59_999;
    expect(await watcher.soFar()).toEqual([]);
    site.elapsedMs = 60_000;
    // The end of the session publishes its will.
    await watcher.expect('publish');
    expect((await site.connect('a', kept)).connack.sessionPresent).toBe(false);
  });

  it.each([
    ['longer', 10, 100, true],
    ['not at all', 100, 0, false],
  ])('is kept %s when DISCONNECT says so', async (_what, atConnect, atDisconnect, isPresent) => {
    const site = new Site();
    const client = await site.open('a', { properties: { sessionExpiryInterval: atConnect } });
    client.disconnect({ sessionExpiryInterval: atDisconnect });
    expect(await client.next()).toBeUndefined();
    site.elapsedMs = 50_000;
    const { connack } = await site.connect('a', { isClean: false, properties: { sessionExpiryInterval: 1 } });
    expect(connack.sessionPresent).toBe(isPresent);
  });

  it('cannot be kept by DISCONNECT when CONNECT did not ask for it', async () => {
    const client = await new Site().open('a');
    client.disconnect({ sessionExpiryInterval: 1 });
    expect(await client.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.protocolError }]);
  });

  it('is taken over by another connection, and the first one is told', async () => {
    const site = new Site();
    const first = await site.open('a');
    await site.open('a');
    expect(await first.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.sessionTakenOver }]);
  });

  it('is told when its entrance closes', async () => {
    const entrance = new AbortController();
    const client = await new Site().open('a', { draining: entrance.signal });
    entrance.abort();
    expect(await client.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.serverShuttingDown }]);
  });

  it('is told when the broker stops', async () => {
    const site = new Site();
    const client = await site.open('a');
    await site.broker.close();
    expect(await client.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.serverShuttingDown }]);
  });
});

describe('a will of MQTT 5', () => {
  const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
  const delayed = { ...will, properties: { willDelayInterval: 30, contentType: 'text/plain' } };

  async function watched(site: Site): Promise<WireClient> {
    const watcher = await site.open('watcher');
    await watcher.subscribe('w');
    return watcher;
  }

  it('waits for its delay, and keeps its properties', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { ...kept, will: delayed })).cut();
    site.elapsedMs = 29_999;
    expect(await watcher.soFar()).toEqual([]);
    site.elapsedMs = 30_000;
    expect((await watcher.expect('publish')).properties).toEqual({ contentType: 'text/plain' });
  });

  it('is not published when its client comes back in time', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { ...kept, will: delayed })).cut();
    await site.open('a', kept);
    const other = await site.open('other', { will });
    site.elapsedMs = 31_000;
    await other.cut();
    // Only the will of the other client comes, though both are due.
    expect((await watcher.expect('publish')).properties).toBeUndefined();
    expect(await watcher.soFar()).toEqual([]);
  });

  it('is published at once when its session does not outlive the connection', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { will: delayed })).cut();
    expect(messagesOf([await watcher.expect('publish')])).toEqual(['w gone']);
  });

  it.each([
    ['not published after a normal DISCONNECT', reasonCodes.success, []],
    ['published after DISCONNECT with will', reasonCodes.disconnectWithWill, ['w gone']],
  ])('is %s', async (_what, reasonCode, expected) => {
    const site = new Site();
    const watcher = await watched(site);
    const client = await site.open('a', { will });
    client.disconnect(undefined, reasonCode);
    await client.next();
    expect(messagesOf(await watcher.soFar())).toEqual(expected);
  });
});

describe('properties of a message', () => {
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: 'answers',
    correlationData: Buffer.from('7'),
    userProperties: [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ],
  } as const;

  it.each([0, 1, 2] as const)('go to its receivers unchanged and in their order, with QoS %i', async (qos) => {
    const site = new Site();
    const [receiver, sender] = [await site.open('r'), await site.open('s')];
    await receiver.subscribe('t', { qos });
    await sender.publish('t', 'x', { qos, properties });
    expect((await receiver.expect('publish')).properties).toEqual(properties);
  });

  it('are kept with a retained message', async () => {
    const site = new Site();
    await (await site.open('s')).publish('t', 'x', { qos: 1, retain: true, properties });
    const receiver = await site.open('r');
    await receiver.subscribe('t');
    expect(await receiver.expect('publish')).toMatchObject({ retain: true, properties });
  });

  it('are not seen by a client of MQTT 3.1.1', async () => {
    const site = new Site();
    const receiver = await site.open('r', { version: 4 });
    await receiver.subscribe('t');
    await (await site.open('s')).publish('t', 'x', { properties });
    expect(await receiver.expect('publish')).toMatchObject({ payload: Buffer.from('x'), properties: undefined });
  });

  it('count for the share of the receiver', async () => {
    const site = new Site({ limits: { queuedBytes: 10_000 } });
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const receiver = await site.open('r', kept);
    await receiver.subscribe('t', { qos: 1 });
    await receiver.cut();
    const sender = await site.open('s');
    const large = { userProperties: [['k', 'v'.repeat(6_000)]] } as const;
    await sender.publish('t', '1', { qos: 1, properties: large });
    await sender.publish('t', '2', { qos: 1, properties: large });
    expect(messagesOf(await (await site.open('r', kept)).soFar())).toEqual(['t 1']);
  });
});

describe('message expiry', () => {
  const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };

  it('removes what has waited too long, and tells how long the rest is good', async () => {
    const site = new Site();
    const receiver = await site.open('r', kept);
    await receiver.subscribe('t', { qos: 1 });
    await receiver.cut();
    const sender = await site.open('s');
    for (const seconds of [3, 10])
      await sender.publish('t', `for ${seconds} s`, { qos: 1, properties: { messageExpiryInterval: seconds } });
    site.elapsedMs = 3_000;
    const later = await (await site.open('r', kept)).soFar();
    expect(messagesOf(later)).toEqual(['t for 10 s']);
    expect(later[0]).toMatchObject({ properties: { messageExpiryInterval: 7 } });
  });

  it('holds for retained messages', async () => {
    const site = new Site();
    const sender = await site.open('s');
    await sender.publish('t', 'x', { qos: 1, retain: true, properties: { messageExpiryInterval: 5 } });
    site.elapsedMs = 4_000;
    const early = await site.open('early');
    await early.subscribe('t');
    expect(await early.expect('publish')).toMatchObject({ properties: { messageExpiryInterval: 1 } });
    site.elapsedMs = 5_000;
    const late = await site.open('late');
    await late.subscribe('t');
    expect(await late.soFar()).toEqual([]);
  });
});

describe('a subscription of MQTT 5', () => {
  it('gives its identifier with each message, and all of them where several match', async () => {
    const site = new Site();
    const client = await site.open('a');
    await client.subscribe('t/#', { identifier: 268_435_455 });
    await client.subscribe('t/a', { identifier: 2, qos: 1 });
    await client.subscribe('+/a');
    await (await site.open('s')).publish('t/a', 'x', { qos: 1 });
    const [message, ...more] = await client.soFar();
    expect(more).toEqual([]);
    expect(message).toMatchObject({ qos: 1, properties: { subscriptionIdentifiers: [268_435_455, 2] } });
  });

  it('with no local does not give a client what it publishes itself', async () => {
    const site = new Site();
    const [one, two] = [await site.open('1'), await site.open('2')];
    for (const client of [one, two]) await client.subscribe('t', { noLocal: true });
    await one.publish('t', 'x');
    await one.soFar();
    expect([messagesOf(await one.soFar()), messagesOf(await two.soFar())]).toEqual([[], ['t x']]);
  });

  it.each([true, false])(
    'with retain as published: %s, tells whether a message was published to be kept',
    async (is) => {
      const site = new Site();
      const client = await site.open('a');
      await client.subscribe('t', { retainAsPublished: is });
      const sender = await site.open('s');
      await sender.publish('t', '1', { retain: true });
      await sender.publish('t', '2');
      await sender.soFar();
      expect((await client.soFar()).map((packet) => packet.type === 'publish' && packet.retain)).toEqual([is, false]);
    },
  );

  it.each([
    [0, ['t x'], ['t x']],
    [1, ['t x'], []],
    [2, [], []],
  ] as const)(
    'with retain handling %i gives retained messages at first %j, and when repeated %j',
    async (retainHandling, first, again) => {
      const site = new Site();
      await (await site.open('s')).publish('t', 'x', { qos: 1, retain: true });
      const client = await site.open('a');
      await client.subscribe('t', { retainHandling });
      expect(messagesOf(await client.soFar())).toEqual(first);
      await client.subscribe('t', { retainHandling });
      expect(messagesOf(await client.soFar())).toEqual(again);
    },
  );

  it('that is refused has a reason, and the others of its packet are granted', async () => {
    const client = await new Site({ limits: { subscriptionsPerClient: 1 } }).open('a');
    const request = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const filters = ['sallyport/v1/#', 't', 'u'];
    const subscriptions = filters.map((filter) => ({ ...request, filter }));
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: undefined });
    expect((await client.expect('suback')).reasonCodes).toEqual([
      reasonCodes.notAuthorized,
      1,
      reasonCodes.quotaExceeded,
    ]);
  });

  it('that ends is told from one that never was', async () => {
    const client = await new Site().open('a');
    await client.subscribe('t');
    client.send({ type: 'unsubscribe', packetId: 9, filters: ['t', 'u'], properties: undefined });
    expect((await client.expect('unsuback')).reasonCodes).toEqual([0, reasonCodes.noSubscriptionExisted]);
  });
});

describe('a shared subscription', () => {
  const filter = '$share/group/t/#';

  it('gives each message to one member, in turn', async () => {
    const site = new Site();
    const members = [await site.open('1'), await site.open('2', { version: 4 })];
    for (const member of members) await member.subscribe(filter);
    const sender = await site.open('s');
    for (const payload of ['1', '2', '3', '4']) await sender.publish('t/a', payload);
    await sender.soFar();
    const received = await Promise.all(members.map(async (member) => messagesOf(await member.soFar())));
    expect(received.map((messages) => messages.length)).toEqual([2, 2]);
    expect(received.flat().toSorted()).toEqual(['t/a 1', 't/a 2', 't/a 3', 't/a 4']);
  });

  it('is served beside others: another group, and subscriptions that are not shared', async () => {
    const site = new Site();
    const [a, b, c] = [await site.open('a'), await site.open('b'), await site.open('c')];
    await a.subscribe(filter);
    await b.subscribe('$share/other/t/#');
    await c.subscribe('t/#');
    const sender = await site.open('s');
    await sender.publish('t/a', 'x');
    await sender.soFar();
    for (const client of [a, b, c]) expect(messagesOf(await client.soFar())).toEqual(['t/a x']);
  });

  it('passes over members that are away, and keeps messages while all are', async () => {
    const site = new Site();
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const [away, present] = [await site.open('away', kept), await site.open('present')];
    for (const member of [away, present]) await member.subscribe(filter, { qos: 1 });
    await away.cut();
    const sender = await site.open('s');
    for (const payload of ['1', '2']) await sender.publish('t/a', payload, { qos: 1 });
    expect(messagesOf(await present.soFar())).toEqual(['t/a 1', 't/a 2']);
    await present.cut();
    await sender.publish('t/a', '3', { qos: 1 });
    expect(messagesOf(await (await site.open('away', kept)).soFar())).toEqual(['t/a 3']);
  });

  it('gets no retained messages', async () => {
    const site = new Site();
    await (await site.open('s')).publish('t/a', 'x', { qos: 1, retain: true });
    const member = await site.open('m');
    await member.subscribe(filter);
    expect(await member.soFar()).toEqual([]);
  });

  it('follows the access rules of its filter', async () => {
    const client = await new Site().open('a');
    expect(await client.subscribe('$share/group/sallyport/v1/#')).toEqual([reasonCodes.notAuthorized]);
  });
});

describe('flow of MQTT 5', () => {
  it('has no more messages unacknowledged than the client takes', async () => {
    const site = new Site();
    const receiver = await site.open('r', { properties: { receiveMaximum: 2 } });
    await receiver.subscribe('t', { qos: 2 });
    const sender = await site.open('s');
    for (const payload of ['1', '2', '3']) await sender.publish('t', payload, { qos: 1 });
    const [first] = await receiver.soFar().then((packets) => {
      expect(messagesOf(packets)).toEqual(['t 1', 't 2']);
      return packets;
    });
    const packetId = first?.type === 'publish' ? first.packetId : 0;
    receiver.send({ type: 'puback', packetId, reasonCode: 0, properties: undefined });
    expect(messagesOf(await receiver.soFar())).toEqual(['t 3']);
  });

  it('ends a client that leaves more QoS 2 messages open than it may', async () => {
    const client = await new Site({ limits: { unreleasedMessages: 2 } }).open('a');
    for (const packetId of [1, 2, 3]) client.send(publishPacket('t', 'x', { qos: 2, packetId }));
    expect((await client.rest()).at(-1)).toMatchObject({
      type: 'disconnect',
      reasonCode: reasonCodes.receiveMaximumExceeded,
    });
  });

  it('does not send what is larger than the client takes, and goes on with what follows', async () => {
    const site = new Site();
    const receiver = await site.open('r', { properties: { maximumPacketSize: 40 } });
    await receiver.subscribe('t', { qos: 1 });
    const sender = await site.open('s');
    for (const payload of ['x'.repeat(40), 'small'])
      for (const qos of [0, 1] as const) await sender.publish('t', payload, { qos });
    await sender.soFar();
    expect(messagesOf(await receiver.soFar())).toEqual(['t small', 't small']);
  });

  it('knows the topic aliases of a client', async () => {
    const site = new Site();
    const receiver = await site.open('r');
    await receiver.subscribe('t/#');
    const sender = await site.open('s');
    await sender.publish('t/a', '1', { properties: { topicAlias: 10 } });
    await sender.publish('', '2', { properties: { topicAlias: 10 } });
    await sender.soFar();
    expect(messagesOf(await receiver.soFar())).toEqual(['t/a 1', 't/a 2']);
    await sender.publish('t/a', '3', { properties: { topicAlias: 11 } });
    expect(await sender.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.topicAliasInvalid }]);
  });
});

describe('reason codes', () => {
  it('tell a publisher that nobody listens, or that it may not publish, and it stays connected', async () => {
    const client = await new Site().open('a');
    for (const qos of [1, 2] as const) {
      expect(await client.publish('nobody/listens', 'x', { qos })).toBe(reasonCodes.noMatchingSubscribers);
      expect(await client.publish('sallyport/v1/x', 'x', { qos })).toBe(reasonCodes.notAuthorized);
    }
    await client.publish('sallyport/v1/x', 'x');
    expect(await client.soFar()).toEqual([]);
  });

  it('tell that a QoS 2 handshake is not known', async () => {
    const client = await new Site().open('a');
    const unknown = { packetId: 7, reasonCode: 0, properties: undefined } as const;
    client.send({ type: 'pubrel', ...unknown }, { type: 'pubrec', ...unknown });
    expect(await client.soFar()).toMatchObject([
      { type: 'pubcomp', packetId: 7, reasonCode: reasonCodes.packetIdNotFound },
      { type: 'pubrel', packetId: 7, reasonCode: reasonCodes.packetIdNotFound },
    ]);
  });

  it('of a receiver that refuses a message end its delivery', async () => {
    const site = new Site();
    const receiver = await site.open('r', { properties: { receiveMaximum: 1 } });
    await receiver.subscribe('t', { qos: 2 });
    const sender = await site.open('s');
    for (const payload of ['1', '2']) await sender.publish('t', payload, { qos: 2 });
    const { packetId } = await receiver.expect('publish');
    receiver.send({ type: 'pubrec', packetId, reasonCode: reasonCodes.quotaExceeded, properties: undefined });
    expect(messagesOf([await receiver.expect('publish')])).toEqual(['t 2']);
  });
});

it('what MQTT 5 adds to sessions and messages survives a restart', async () => {
  const folder = temporaryDirectory();
  onTestFinished(() => folder.remove());
  const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
  const before = new Site({ directory: folder.file('journal') });
  const receiver = await before.open('r', kept);
  await receiver.subscribe('t', { qos: 1, identifier: 5 });
  await receiver.subscribe('$share/group/u', { qos: 1 });
  await receiver.cut();
  const sender = await before.open('s');
  const properties = { contentType: 'text/plain', correlationData: Buffer.from('7') };
  for (const topic of ['t', 'u']) await sender.publish(topic, 'x', { qos: 1, properties });
  await before.broker.close();

  const after = new Site({ directory: folder.file('journal') });
  const { client, connack } = await after.connect('r', kept);
  expect(connack.sessionPresent).toBe(true);
  expect(await client.soFar()).toMatchObject([
    { topic: 't', properties: { ...properties, subscriptionIdentifiers: [5] } },
    { topic: 'u', properties },
  ]);
  await client.cut();
  after.elapsedMs = 60_000;
  expect((await after.connect('r', kept)).connack.sessionPresent).toBe(false);
});
