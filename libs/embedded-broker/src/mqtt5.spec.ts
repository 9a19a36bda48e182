import { reasonCodes, type Will } from '@sallyport/mqtt-wire';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
import { ManualClient, type ManualClientOptions, messagesOf } from './manual-client.fixture.js';

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

  open(clientId: string, options: ManualClientOptions = {}): Promise<ManualClient> {
    return ManualClient.open(this.broker, { version: 5, clientId, ...options });
  }

  async connect(clientId: string, options: ManualClientOptions = {}) {
    const client = ManualClient.start(this.broker, { version: 5, clientId, ...options });
    return { client, connack: await client.next('connack') };
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
    await client.disconnect();
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
    const client = ManualClient.start(new Site().broker, { version: 5, ...options });
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
    await (await site.open('a', { properties })).disconnect();
    expect((await site.connect('a', { isClean: false, properties })).connack.sessionPresent).toBe(isPresent);
  });

  it('ends when its time is over', async () => {
    const site = new Site();
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const watcher = await site.open('watcher');
    await watcher.request('w');
    const delayed = { ...will, properties: { willDelayInterval: 3_600 } };
    await (await site.open('a', { ...kept, will: delayed })).drop();
    site.elapsedMs = 59_999;
    expect(await watcher.soFar()).toEqual([]);
    site.elapsedMs = 60_000;
    // The end of the session publishes its will.
    await watcher.next('publish');
    expect((await site.connect('a', kept)).connack.sessionPresent).toBe(false);
  });

  it.each([
    ['longer', 10, 100, true],
    ['not at all', 100, 0, false],
  ])('is kept %s when DISCONNECT says so', async (_what, atConnect, atDisconnect, isPresent) => {
    const site = new Site();
    const client = await site.open('a', { properties: { sessionExpiryInterval: atConnect } });
    await client.disconnect({ properties: { sessionExpiryInterval: atDisconnect } });
    site.elapsedMs = 50_000;
    const { connack } = await site.connect('a', { isClean: false, properties: { sessionExpiryInterval: 1 } });
    expect(connack.sessionPresent).toBe(isPresent);
  });

  it('cannot be kept by DISCONNECT when CONNECT did not ask for it', async () => {
    const client = await new Site().open('a');
    await client.disconnect({ properties: { sessionExpiryInterval: 1 } });
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

  async function watched(site: Site): Promise<ManualClient> {
    const watcher = await site.open('watcher');
    await watcher.request('w');
    return watcher;
  }

  it('waits for its delay, and keeps its properties', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { ...kept, will: delayed })).drop();
    site.elapsedMs = 29_999;
    expect(await watcher.soFar()).toEqual([]);
    site.elapsedMs = 30_000;
    expect((await watcher.next('publish')).properties).toEqual({ contentType: 'text/plain' });
  });

  it('is not published when its client comes back in time', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { ...kept, will: delayed })).drop();
    await site.open('a', kept);
    const other = await site.open('other', { will });
    site.elapsedMs = 31_000;
    await other.drop();
    // Only the will of the other client comes, though both are due.
    expect((await watcher.next('publish')).properties).toBeUndefined();
    expect(await watcher.soFar()).toEqual([]);
  });

  it('is published at once when its session does not outlive the connection', async () => {
    const site = new Site();
    const watcher = await watched(site);
    await (await site.open('a', { will: delayed })).drop();
    expect(messagesOf([await watcher.next('publish')])).toEqual(['w gone']);
  });

  it.each([
    ['not published after a normal DISCONNECT', reasonCodes.success, []],
    ['published after DISCONNECT with will', reasonCodes.disconnectWithWill, ['w gone']],
  ])('is %s', async (_what, reasonCode, expected) => {
    const site = new Site();
    const watcher = await watched(site);
    const client = await site.open('a', { will });
    await client.disconnect({ reasonCode });
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
    await receiver.request('t', { qos });
    await sender.publishWhole('t', 'x', { qos, properties });
    expect((await receiver.next('publish')).properties).toEqual(properties);
  });

  it('are kept with a retained message', async () => {
    const site = new Site();
    await (await site.open('s')).publishWhole('t', 'x', { qos: 1, retain: true, properties });
    const receiver = await site.open('r');
    await receiver.request('t');
    expect(await receiver.next('publish')).toMatchObject({ retain: true, properties });
  });

  it('are not seen by a client of MQTT 3.1.1', async () => {
    const site = new Site();
    const receiver = await site.open('r', { version: 4 });
    await receiver.request('t');
    await (await site.open('s')).publishWhole('t', 'x', { properties });
    expect(await receiver.next('publish')).toMatchObject({ payload: Buffer.from('x'), properties: undefined });
  });

  it('count for the share of the receiver', async () => {
    const site = new Site({ limits: { queuedBytes: 10_000 } });
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const receiver = await site.open('r', kept);
    await receiver.request('t', { qos: 1 });
    await receiver.drop();
    const sender = await site.open('s');
    const large = { userProperties: [['k', 'v'.repeat(6_000)]] } as const;
    await sender.publishWhole('t', '1', { qos: 1, properties: large });
    await sender.publishWhole('t', '2', { qos: 1, properties: large });
    expect(messagesOf(await (await site.open('r', kept)).soFar())).toEqual(['t 1']);
  });
});

describe('message expiry', () => {
  const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };

  it('removes what has waited too long, and tells how long the rest is good', async () => {
    const site = new Site();
    const receiver = await site.open('r', kept);
    await receiver.request('t', { qos: 1 });
    await receiver.drop();
    const sender = await site.open('s');
    for (const seconds of [3, 10])
      await sender.publishWhole('t', `for ${seconds} s`, { qos: 1, properties: { messageExpiryInterval: seconds } });
    site.elapsedMs = 3_000;
    const later = await (await site.open('r', kept)).soFar();
    expect(messagesOf(later)).toEqual(['t for 10 s']);
    expect(later[0]).toMatchObject({ properties: { messageExpiryInterval: 7 } });
  });

  it('holds for retained messages', async () => {
    const site = new Site();
    const sender = await site.open('s');
    await sender.publishWhole('t', 'x', { qos: 1, retain: true, properties: { messageExpiryInterval: 5 } });
    site.elapsedMs = 4_000;
    const early = await site.open('early');
    await early.request('t');
    expect(await early.next('publish')).toMatchObject({ properties: { messageExpiryInterval: 1 } });
    site.elapsedMs = 5_000;
    const late = await site.open('late');
    await late.request('t');
    expect(await late.soFar()).toEqual([]);
  });
});

describe('a subscription of MQTT 5', () => {
  it('gives its identifier with each message, and all of them where several match', async () => {
    const site = new Site();
    const client = await site.open('a');
    await client.request('t/#', { identifier: 268_435_455 });
    await client.request('t/a', { identifier: 2, qos: 1 });
    await client.request('+/a');
    await (await site.open('s')).publishWhole('t/a', 'x', { qos: 1 });
    const [message, ...more] = await client.soFar();
    expect(more).toEqual([]);
    expect(message).toMatchObject({ qos: 1, properties: { subscriptionIdentifiers: [268_435_455, 2] } });
  });

  it('with no local does not give a client what it publishes itself', async () => {
    const site = new Site();
    const [one, two] = [await site.open('1'), await site.open('2')];
    for (const client of [one, two]) await client.request('t', { noLocal: true });
    await one.publishWhole('t', 'x');
    await one.soFar();
    expect([messagesOf(await one.soFar()), messagesOf(await two.soFar())]).toEqual([[], ['t x']]);
  });

  it.each([true, false])(
    'with retain as published: %s, tells whether a message was published to be kept',
    async (is) => {
      const site = new Site();
      const client = await site.open('a');
      await client.request('t', { retainAsPublished: is });
      const sender = await site.open('s');
      await sender.publishWhole('t', '1', { retain: true });
      await sender.publishWhole('t', '2');
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
      await (await site.open('s')).publishWhole('t', 'x', { qos: 1, retain: true });
      const client = await site.open('a');
      await client.request('t', { retainHandling });
      expect(messagesOf(await client.soFar())).toEqual(first);
      await client.request('t', { retainHandling });
      expect(messagesOf(await client.soFar())).toEqual(again);
    },
  );

  it('that is refused has a reason, and the others of its packet are granted', async () => {
    const client = await new Site({ limits: { subscriptionsPerClient: 1 } }).open('a');
    const request = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const filters = ['sallyport/v1/#', 't', 'u'];
    const subscriptions = filters.map((filter) => ({ ...request, filter }));
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: undefined });
    expect((await client.next('suback')).reasonCodes).toEqual([
      reasonCodes.notAuthorized,
      1,
      reasonCodes.quotaExceeded,
    ]);
  });

  it('that ends is told from one that never was', async () => {
    const client = await new Site().open('a');
    await client.request('t');
    client.send({ type: 'unsubscribe', packetId: 9, filters: ['t', 'u'], properties: undefined });
    expect((await client.next('unsuback')).reasonCodes).toEqual([0, reasonCodes.noSubscriptionExisted]);
  });
});

describe('a shared subscription', () => {
  const filter = '$share/group/t/#';

  it('gives each message to one member, in turn', async () => {
    const site = new Site();
    const members = [await site.open('1'), await site.open('2', { version: 4 })];
    for (const member of members) await member.request(filter);
    const sender = await site.open('s');
    for (const payload of ['1', '2', '3', '4']) await sender.publishWhole('t/a', payload);
    await sender.soFar();
    const received = await Promise.all(members.map(async (member) => messagesOf(await member.soFar())));
    expect(received.map((messages) => messages.length)).toEqual([2, 2]);
    expect(received.flat().toSorted()).toEqual(['t/a 1', 't/a 2', 't/a 3', 't/a 4']);
  });

  it('is served beside others: another group, and subscriptions that are not shared', async () => {
    const site = new Site();
    const [a, b, c] = [await site.open('a'), await site.open('b'), await site.open('c')];
    await a.request(filter);
    await b.request('$share/other/t/#');
    await c.request('t/#');
    const sender = await site.open('s');
    await sender.publishWhole('t/a', 'x');
    await sender.soFar();
    for (const client of [a, b, c]) expect(messagesOf(await client.soFar())).toEqual(['t/a x']);
  });

  it('passes over members that are away, and keeps messages while all are', async () => {
    const site = new Site();
    const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
    const [away, present] = [await site.open('away', kept), await site.open('present')];
    for (const member of [away, present]) await member.request(filter, { qos: 1 });
    await away.drop();
    const sender = await site.open('s');
    for (const payload of ['1', '2']) await sender.publishWhole('t/a', payload, { qos: 1 });
    expect(messagesOf(await present.soFar())).toEqual(['t/a 1', 't/a 2']);
    await present.drop();
    await sender.publishWhole('t/a', '3', { qos: 1 });
    expect(messagesOf(await (await site.open('away', kept)).soFar())).toEqual(['t/a 3']);
  });

  it('gets no retained messages', async () => {
    const site = new Site();
    await (await site.open('s')).publishWhole('t/a', 'x', { qos: 1, retain: true });
    const member = await site.open('m');
    await member.request(filter);
    expect(await member.soFar()).toEqual([]);
  });

  it('follows the access rules of its filter', async () => {
    const client = await new Site().open('a');
    expect(await client.request('$share/group/sallyport/v1/#')).toEqual([reasonCodes.notAuthorized]);
  });
});

describe('flow of MQTT 5', () => {
  it('has no more messages unacknowledged than the client takes', async () => {
    const site = new Site();
    const receiver = await site.open('r', { properties: { receiveMaximum: 2 } });
    await receiver.request('t', { qos: 2 });
    const sender = await site.open('s');
    for (const payload of ['1', '2', '3']) await sender.publishWhole('t', payload, { qos: 1 });
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
    for (const packetId of [1, 2, 3]) client.publish('t', 'x', { qos: 2, packetId });
    expect((await client.rest()).at(-1)).toMatchObject({
      type: 'disconnect',
      reasonCode: reasonCodes.receiveMaximumExceeded,
    });
  });

  it('does not send what is larger than the client takes, and goes on with what follows', async () => {
    const site = new Site();
    const receiver = await site.open('r', { properties: { maximumPacketSize: 40 } });
    await receiver.request('t', { qos: 1 });
    const sender = await site.open('s');
    for (const payload of ['x'.repeat(40), 'small'])
      for (const qos of [0, 1] as const) await sender.publishWhole('t', payload, { qos });
    await sender.soFar();
    expect(messagesOf(await receiver.soFar())).toEqual(['t small', 't small']);
  });

  it('knows the topic aliases of a client', async () => {
    const site = new Site();
    const receiver = await site.open('r');
    await receiver.request('t/#');
    const sender = await site.open('s');
    await sender.publishWhole('t/a', '1', { properties: { topicAlias: 10 } });
    await sender.publishWhole('', '2', { properties: { topicAlias: 10 } });
    await sender.soFar();
    expect(messagesOf(await receiver.soFar())).toEqual(['t/a 1', 't/a 2']);
    await sender.publishWhole('t/a', '3', { properties: { topicAlias: 11 } });
    expect(await sender.rest()).toMatchObject([{ type: 'disconnect', reasonCode: reasonCodes.topicAliasInvalid }]);
  });
});

describe('reason codes', () => {
  it('tell a publisher that nobody listens, or that it may not publish, and it stays connected', async () => {
    const client = await new Site().open('a');
    for (const qos of [1, 2] as const) {
      expect(await client.publishWhole('nobody/listens', 'x', { qos })).toBe(reasonCodes.noMatchingSubscribers);
      expect(await client.publishWhole('sallyport/v1/x', 'x', { qos })).toBe(reasonCodes.notAuthorized);
    }
    await client.publishWhole('sallyport/v1/x', 'x');
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
    await receiver.request('t', { qos: 2 });
    const sender = await site.open('s');
    for (const payload of ['1', '2']) await sender.publishWhole('t', payload, { qos: 2 });
    const { packetId } = await receiver.next('publish');
    receiver.send({ type: 'pubrec', packetId, reasonCode: reasonCodes.quotaExceeded, properties: undefined });
    expect(messagesOf([await receiver.next('publish')])).toEqual(['t 2']);
  });
});

it('what MQTT 5 adds to sessions and messages survives a restart', async () => {
  const folder = temporaryDirectory();
  onTestFinished(() => folder.remove());
  const kept = { isClean: false, properties: { sessionExpiryInterval: 60 } };
  const before = new Site({ directory: folder.file('journal') });
  const receiver = await before.open('r', kept);
  await receiver.request('t', { qos: 1, identifier: 5 });
  await receiver.request('$share/group/u', { qos: 1 });
  await receiver.drop();
  const sender = await before.open('s');
  const properties = { contentType: 'text/plain', correlationData: Buffer.from('7') };
  for (const topic of ['t', 'u']) await sender.publishWhole(topic, 'x', { qos: 1, properties });
  await before.broker.close();

  const after = new Site({ directory: folder.file('journal') });
  const { client, connack } = await after.connect('r', kept);
  expect(connack.sessionPresent).toBe(true);
  expect(await client.soFar()).toMatchObject([
    { topic: 't', properties: { ...properties, subscriptionIdentifiers: [5] } },
    { topic: 'u', properties },
  ]);
  await client.drop();
  after.elapsedMs = 60_000;
  expect((await after.connect('r', kept)).connack.sessionPresent).toBe(false);
});
