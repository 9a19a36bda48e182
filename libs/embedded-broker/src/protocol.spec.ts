import { deviceId } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ManualClient } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

const kept = { clientId: 'kept', isClean: false };

async function start(options: Parameters<typeof TestBroker.start>[0] = {}) {
  const warnings: string[] = [];
  const onWarning = (text: string, { reason = '' }: Readonly<Record<string, unknown>>) =>
    void warnings.push(`${text}: ${reason}`);
  const site = await TestBroker.start({ onWarning, ...options });
  return { site, broker: site.broker, warnings };
}

describe('CONNECT (MQTT 3.1.1 §3.1)', () => {
  it.each([0, 1, 3_601, 65_535])('is accepted with a keep-alive of %i s', async (keepAliveSeconds) => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker, { keepAliveSeconds });
    await client.settle();
  });

  it('ends a client that is silent for one and a half times its keep-alive [MQTT-3.1.2-24]', async () => {
    const { site, broker, warnings } = await start();
    await using _ = site;
    await using patient = await ManualClient.open(broker, { clientId: 'patient' });
    await using silent = await ManualClient.open(broker, { clientId: 'silent', keepAliveSeconds: 1 });
    await silent.closed();
    expect(warnings).toEqual(['a connection was ended: the client was silent']);
    await patient.settle();
  });

  it('says whether a session was there [MQTT-3.2.2-2], and forgets it for a clean one [MQTT-3.1.2-6]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    const presence: boolean[] = [];
    for (const isClean of [false, false, true, false, true, true]) {
      const client = ManualClient.start(broker, { clientId: 'one', isClean });
      presence.push((await client.next('connack')).sessionPresent);
      await client.disconnect();
    }
    expect(presence).toEqual([false, true, false, false, false, false]);
  });

  it.each([
    ['an empty client id for a session to be kept', { clientId: '', isClean: false }, 2],
    ['a client id longer than the limit', { clientId: 'x'.repeat(129) }, 2],
  ])('is refused with %s, and the log says why', async (_what, options, code) => {
    const { site, broker, warnings } = await start();
    await using _ = site;
    await using client = ManualClient.start(broker, options);
    expect((await client.next('connack')).reasonCode).toBe(code);
    await client.closed();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^a client was refused: .+/);
  });

  it('gives clients without an id sessions of their own [MQTT-3.1.3-6]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using first = await ManualClient.open(broker, { clientId: '' });
    await using second = await ManualClient.open(broker, { clientId: '' });
    await Promise.all([first.settle(), second.settle()]);
  });

  it('serves MQTT 3.1 too', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker, { version: 3 });
    expect(await client.subscribe({ a: 1 })).toEqual([1]);
  });

  it('ends the connection when it comes twice [MQTT-3.1.0-2]', async () => {
    const { site, broker, warnings } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    client.sendBytes('100f00044d5154540402003c00036f6e65');
    await client.closed();
    expect(warnings).toEqual(['a connection was ended: a second CONNECT came']);
  });
});

describe('packets that must not be served', () => {
  it.each([
    ['a topic with "+"', '30040002612b'],
    ['a topic with "#"', '300400026123'],
    ['a topic with U+0000', '300500036100620a'],
    ['a topic in ill-formed UTF-8', '30040002c080'],
    ['packet identifier 0', '32050001610000'],
    ['QoS 3', '36050001610001'],
    ['a filter "a+"', '82070001000261' + '2b01'],
    ['a filter "a#b"', '8208000100036123' + '6201'],
    ['an empty SUBSCRIBE', '82020001'],
    ['SUBSCRIBE without its reserved flags', '8006000100016101'],
  ])('end the connection: %s', async (_what, hex) => {
    const { site, broker, warnings } = await start();
    await using _ = site;
    await using other = await ManualClient.open(broker, { clientId: 'other' });
    await other.subscribe({ '#': 0 });
    await using client = await ManualClient.open(broker);
    client.sendBytes(hex);
    await client.closed();
    expect(warnings).toHaveLength(1);
    await other.settle();
    expect(other.received).toEqual([]);
  });

  it('do not bring a will with a wildcard in', async () => {
    const { site, broker } = await start();
    await using _ = site;
    const will = { topic: 'a/#', payload: Buffer.from('x'), qos: 0, retain: false, properties: undefined } as const;
    await using client = ManualClient.start(broker, { will });
    await client.closed();
  });
});

describe('delivery (MQTT 3.1.1 §4.3)', () => {
  it('happens once at the highest QoS of overlapping subscriptions [MQTT-3.3.5-1]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.subscribe({ 'a/#': 0, 'a/+': 2, 'a/b': 1 });
    client.publish('a/b', 'x', { qos: 2, packetId: 7 });
    expect(await client.messages(1)).toEqual(['a/b x 2 #1']);
    client.publish('a/b', 'y', { qos: 1, packetId: 8 });
    expect(await client.messages(1)).toEqual(['a/b y 1 #2']);
    await client.settle();
    expect(client.received.filter(({ type }) => type === 'publish')).toEqual([]);
  });

  it('is repeated with DUP, the same identifier and the old order after a reconnect [MQTT-4.4.0-1]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    const first = await ManualClient.open(broker, kept);
    await first.subscribe({ a: 2 });
    for (const [index, qos] of [1, 2, 1].entries())
      first.publish('a', String(index), { qos: qos === 2 ? 2 : 1, packetId: index + 1 });
    expect(await first.messages(3)).toEqual(['a 0 1 #1', 'a 1 2 #2', 'a 2 1 #3']);
    first.acknowledge('puback', 3);
    await first.settle();
    await first.drop();
    const second = await ManualClient.open(broker, kept);
    expect(await second.messages(2)).toEqual(['a 0 1 again #1', 'a 1 2 again #2']);
    second.acknowledge('puback', 1);
    second.acknowledge('pubrec', 2);
    expect((await second.next('pubrel')).packetId).toBe(2);
    await second.drop();
    await using third = await ManualClient.open(broker, kept);
    expect((await third.next('pubrel')).packetId).toBe(2);
    third.acknowledge('pubcomp', 2);
    await third.settle();
    expect(third.received).toEqual([]);
  });

  it('of large and small messages to several has their order, and the identifiers of each receiver', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using publisher = await ManualClient.open(broker, { clientId: 'publisher' });
    await using plain = await ManualClient.open(broker, { clientId: 'plain' });
    const first = await ManualClient.open(broker, kept);
    await plain.subscribe({ 'a/#': 1 });
    await first.subscribe({ '+/b': 1, own: 1 });
    const texts = [10_000, 3, 5_000, 4_096, 20, 70_000, 1].map((length, index) => String(index).repeat(length));
    await publisher.publishKept('own', 'before');
    for (const [index, text] of texts.entries()) publisher.publish('a/b', text, { qos: 1, packetId: index + 1 });
    for (const text of texts) publisher.publish('a/b', text);
    const once = texts.map((text) => `a/b ${text} 0`);
    const sent = (shift: number, flags = '') => texts.map((text, index) => `a/b ${text} 1${flags} #${index + shift}`);
    expect(await plain.messages(14)).toEqual([...sent(1), ...once]);
    expect(await first.messages(15)).toEqual(['own before 1 #1', ...sent(2), ...once]);
    await first.drop();
    await using second = await ManualClient.open(broker, kept);
    expect(await second.messages(8)).toEqual(['own before 1 again #1', ...sent(2, ' again')]);
  });

  it('waits when the client has a window full of messages, and goes on in order', async () => {
    const { site, broker } = await start({ limits: { inFlightMessages: 2 } });
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.subscribe({ a: 1 });
    for (let index = 1; index <= 4; index += 1) client.publish('a', String(index), { qos: 1, packetId: index });
    expect(await client.messages(2)).toEqual(['a 1 1 #1', 'a 2 1 #2']);
    await client.settle();
    expect(client.received.filter(({ type }) => type === 'publish')).toEqual([]);
    client.acknowledge('puback', 2);
    expect(await client.messages(1)).toEqual(['a 3 1 #3']);
    client.acknowledge('puback', 99);
    client.acknowledge('puback', 1);
    expect(await client.messages(1)).toEqual(['a 4 1 #4']);
  });

  it('does not wait for a service before it has the window of a bridge', async () => {
    const { site, broker } = await start({ limits: { inFlightMessages: 2 } });
    await using _ = site;
    const peer = { deviceId: deviceId.parse('mqtt-bridge'), kind: 'service' } as const;
    await using service = await ManualClient.open(broker, { clientId: 'bridge', peer });
    await service.subscribe({ a: 1 });
    await using device = await ManualClient.open(broker);
    for (let index = 1; index <= 4_097; index += 1) device.publish('a', String(index), { qos: 1, packetId: index });
    await device.settle();
    expect((await service.messages(4_096)).at(-1)).toBe('a 4096 1 #4096');
    expect((await service.soFar()).filter(({ type }) => type === 'publish')).toEqual([]);
  });

  it('uses no packet identifier again that is not free, when they have all been used [MQTT-2.3.1-4]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.subscribe({ a: 1 });
    client.publish('a', 'stays', { qos: 1, packetId: 1 });
    expect(await client.messages(1)).toEqual(['a stays 1 #1']);
    const identifiers = new Set<number>();
    for (let sent = 0; sent < 65_534; sent += 1) {
      client.publish('a', 'x', { qos: 1, packetId: 2 });
      if (sent % 500 !== 499 && sent !== 65_533) continue;
      await client.settle();
      for (const packet of client.received.splice(0)) {
        if (packet.type !== 'publish') continue;
        identifiers.add(packet.packetId);
        client.acknowledge('puback', packet.packetId);
      }
    }
    client.publish('a', 'next', { qos: 1, packetId: 2 });
    expect(await client.messages(1)).toEqual(['a next 1 #2']);
    expect([identifiers.size, identifiers.has(1)]).toEqual([65_534, false]);
  });

  it('of a QoS 2 message happens once, however often it is sent before its PUBREL [MQTT-4.3.3-2]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker, kept);
    await client.subscribe({ a: 0 });
    for (const isDuplicate of [false, true]) client.publish('a', 'x', { qos: 2, packetId: 5, isDuplicate });
    for (let times = 0; times < 2; times += 1) expect((await client.next('pubrec')).packetId).toBe(5);
    client.acknowledge('pubrel', 5);
    expect((await client.next('pubcomp')).packetId).toBe(5);
    client.publish('a', 'y', { qos: 2, packetId: 5 });
    await client.next('pubrec');
    expect(await client.messages(2)).toEqual(['a x 0', 'a y 0']);
    await client.settle();
    expect(client.received).toEqual([]);
  });

  it('answers publications in the order they came [MQTT-4.6.0-2]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker, kept);
    await client.subscribe({ kept: 1 });
    for (let packetId = 1; packetId <= 50; packetId += 1)
      client.publish(packetId % 2 === 0 ? 'kept' : 'nobody', 'x', { qos: packetId % 3 === 0 ? 2 : 1, packetId });
    await client.settle();
    await waitFor(() => client.received.filter(({ type }) => type === 'puback' || type === 'pubrec').length === 50);
    const answers = client.received.flatMap((packet) =>
      packet.type === 'puback' || packet.type === 'pubrec' ? [packet.packetId] : [],
    );
    expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('does not happen any more after UNSUBSCRIBE', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.subscribe({ a: 0, b: 0 });
    client.send({ type: 'unsubscribe', packetId: 3, filters: ['a', 'unknown'], properties: undefined });
    expect((await client.next('unsuback')).packetId).toBe(3);
    for (const topic of ['a', 'b']) client.publish(topic, 'x');
    expect(await client.messages(1)).toEqual(['b x 0']);
  });
});

describe('SUBSCRIBE (MQTT 3.1.1 §3.8)', () => {
  it('answers 0x80 for each filter that is refused, and grants the others', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    expect(await client.subscribe({ a: 0, '$SYS/#': 1, 'b/+': 2, 'sallyport/v1/#': 0 })).toEqual([0, 0x80, 2, 0x80]);
  });

  it('replaces a subscription to the same filter, and sends its retained messages again [MQTT-3.8.4-3]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.publishKept('a', 'state', { retain: true });
    await client.subscribe({ a: 1 });
    expect(await client.messages(1)).toEqual(['a state 1 retained #1']);
    await client.subscribe({ a: 0 });
    expect(await client.messages(1)).toEqual(['a state 0 retained']);
    client.publish('a', 'live', { qos: 1, packetId: 2 });
    expect(await client.messages(1)).toEqual(['a live 0']);
  });
});

describe('retained messages (MQTT 3.1.1 §3.3.1.3)', () => {
  it('are sent with RETAIN to new subscriptions, and without it to those that were there', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using there = await ManualClient.open(broker, { clientId: 'there' });
    await there.subscribe({ '#': 2 });
    await there.publishKept('a', 'state', { retain: true });
    expect(await there.messages(1)).toEqual(['a state 1 #1']);
    await using late = await ManualClient.open(broker, { clientId: 'late' });
    await late.subscribe({ 'a/#': 2 });
    expect(await late.messages(1)).toEqual(['a state 1 retained #1']);
  });

  it('are forgotten with an empty one, which is not kept itself [MQTT-3.3.1-10] [MQTT-3.3.1-11]', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    await client.publishKept('a', 'state', { retain: true });
    await client.publishKept('a', '', { retain: true });
    await client.publishKept('b', 'state', { retain: true });
    await client.subscribe({ '#': 0 });
    expect(await client.messages(1)).toEqual(['b state 0 retained']);
    await client.settle();
    expect(client.received).toEqual([]);
  });

  it('do not reach a client that has lost the right to them before they were due', async () => {
    const forbidden = new Set<string>();
    const mayReceive = (_: unknown, topic: string) => !forbidden.has(topic);
    const rules = { mayPublish: () => true, maySubscribe: () => true, mayReceive };
    const { site, broker } = await start({ rules, limits: { inFlightMessages: 1 } });
    await using _ = site;
    await using client = await ManualClient.open(broker);
    for (const topic of ['a', 'b', 'c']) await client.publishKept(topic, 'x', { retain: true });
    await client.subscribe({ '#': 1 });
    expect(await client.messages(1)).toEqual(['a x 1 retained #1']);
    forbidden.add('b');
    broker.rulesChanged();
    client.acknowledge('puback', 1);
    expect(await client.messages(1)).toEqual(['c x 1 retained #2']);
  });

  it('all reach a client, also when there are more than may wait for it', async () => {
    const { site, broker } = await start({ limits: { queuedMessages: 5, inFlightMessages: 3 } });
    await using _ = site;
    await using client = await ManualClient.open(broker);
    for (let index = 0; index < 50; index += 1) await client.publishKept(`a/${index}`, 'x', { retain: true });
    await client.subscribe({ '#': 1 });
    const topics = new Set<string>();
    while (topics.size < 50) {
      const { topic, packetId } = await client.next('publish');
      topics.add(topic);
      client.acknowledge('puback', packetId);
    }
    expect(topics.size).toBe(50);
  });
});

describe('last will (MQTT 3.1.1 §3.1.2.5)', () => {
  const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: true, properties: undefined } as const;

  it('is published when the connection ends without DISCONNECT, and not after one', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using watching = await ManualClient.open(broker, { clientId: 'watching' });
    await watching.subscribe({ gone: 1 });
    await (await ManualClient.open(broker, { will })).disconnect();
    await watching.settle();
    expect(watching.received).toEqual([]);
    await (await ManualClient.open(broker, { will })).drop();
    expect(await watching.messages(1)).toEqual(['gone x 1 #1']);
  });

  it('is published when another connection takes the session over', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using watching = await ManualClient.open(broker, { clientId: 'watching' });
    await watching.subscribe({ gone: 0 });
    const first = await ManualClient.open(broker, { will });
    await using second = await ManualClient.open(broker);
    await first.closed();
    expect(await watching.messages(1)).toEqual(['gone x 0']);
    await second.settle();
  });
});

describe('the log', () => {
  it('has one line about a client that is refused again and again, and others about others', async () => {
    const { site, broker, warnings } = await start();
    await using _ = site;
    const refused = { clientId: '', isClean: false };
    for (const network of ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2'])
      await ManualClient.start(broker, { ...refused, network }).next('connack');
    expect(warnings).toEqual(Array(2).fill('a client was refused: client-id-not-valid'));
    expect(broker.counters.refusals).toEqual(new Map([['client-id-not-valid', 4]]));
  });
});

describe('a client that asks for much', () => {
  it('gets the retained messages of each of its filters, one filter after the other', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    for (const topic of ['a', 'b']) await client.publishKept(topic, 'x', { retain: true });
    await client.subscribe({ '#': 0, '+': 0, b: 0, nothing: 0 });
    expect(await client.messages(5)).toEqual(['a', 'b', 'a', 'b', 'b'].map((topic) => `${topic} x 0 retained`));
  });

  it('gets them once more when it subscribes again before they have come', async () => {
    const { site, broker } = await start({ limits: { inFlightMessages: 1 } });
    await using _ = site;
    await using client = await ManualClient.open(broker);
    for (const topic of ['a', 'b']) await client.publishKept(topic, 'x', { retain: true });
    for (let times = 0; times < 3; times += 1) await client.subscribe({ '#': 1 });
    const topics: string[] = [];
    while (topics.length < 3) {
      const { topic, packetId } = await client.next('publish');
      topics.push(topic);
      client.acknowledge('puback', packetId);
    }
    expect(topics).toEqual(['a', 'a', 'b']);
    await client.settle();
    expect(client.received).toEqual([]);
  });

  it.each([2_001, 20_000])('gets an answer for each of %i filters in one packet', async (count) => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker);
    const filters = Object.fromEntries(Array.from({ length: count }, (_each, index) => [`f/${index}`, 1 as const]));
    const codes = await client.subscribe(filters);
    expect([codes.length, codes.filter((code) => code === 1).length]).toEqual([count, 1_000]);
    client.publish('f/999', 'x');
    expect(await client.messages(1)).toEqual(['f/999 x 0']);
  });

  it('gets an answer for each of 20000 filters it gives up in one packet', async () => {
    const { site, broker } = await start();
    await using _ = site;
    await using client = await ManualClient.open(broker, { version: 5 });
    await client.subscribe({ 'f/0': 1, 'f/19999': 1 });
    const filters = Array.from({ length: 20_000 }, (_each, index) => `f/${index}`);
    client.send({ type: 'unsubscribe', packetId: 9, filters, properties: undefined });
    const { reasonCodes: codes } = await client.next('unsuback');
    expect([codes.length, codes[0], codes[1], codes.at(-1)]).toEqual([20_000, 0, 0x11, 0]);
    expect(codes.filter((code) => code === 0)).toHaveLength(2);
  });
});
