import { Problem } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { SessionSite } from './session-site.fixture.js';

let site = new SessionSite();
afterEach(() => {
  site[Symbol.dispose]();
  site = new SessionSite();
});

const names = Array.from({ length: 20_000 }, (_, index) => [`a${index}`, 1]);
const manyValues = JSON.stringify([{ timestamp: 1_700_000_000, values: Object.fromEntries(names) }]);

const command = (alias: string, value: string, atMicros: number) => ({ alias, value, atMicros });

describe('what a device publishes', () => {
  it('to $resource/<alias> is the value of the alias', async () => {
    await using client = await site.open({ certificate: 'pump-17' });
    expect(await client.publishWhole('$resource/temperature', '21.5', { qos: 1 })).toBe(0);
    client.publish('$resource/pressure', '3');
    await client.settle();
    expect(site.valuesOf('pump-17').written).toEqual(['temperature=21.5', 'pressure=3']);
  });

  it.each([
    ['seconds', 1_700_000_000],
    ['milliseconds', 1_700_000_000_000],
    ['microseconds', 1_700_000_000_000_000],
  ])('to $resource.batch may have its times in %s', async (_unit, timestamp) => {
    await using client = await site.open({ certificate: 'pump-17' });
    const batch = JSON.stringify([{ timestamp, values: { a: 1, b: 'two', c: true } }]);
    await client.publishKept('$resource.batch', batch);
    const at = '1700000000000000';
    expect(site.valuesOf('pump-17').written).toEqual([`a=1@${at} b=two@${at} c=true@${at}`]);
  });

  it('is acknowledged only when it is durable, and in the order in which it came', async () => {
    const values = site.valuesOf('pump-17');
    values.isSlow = true;
    await using client = await site.open({ certificate: 'pump-17' });
    client.publish('$resource/a', '1', { qos: 1, packetId: 1 });
    client.publish('$resource/b', '2', { qos: 1, packetId: 2 });
    await waitFor(() => values.waiting.length === 2);
    values.waiting[1]?.keep();
    await client.settle();
    expect(client.received).toEqual([]);
    values.waiting[0]?.keep();
    expect((await client.next('puback')).packetId).toBe(1);
    expect((await client.next('puback')).packetId).toBe(2);
  });

  it('is not acknowledged when it could not be kept: the connection ends, and the device sends it again', async () => {
    const values = site.valuesOf('pump-17');
    values.isSlow = true;
    await using client = await site.open({ certificate: 'pump-17', version: 5 });
    client.publish('$resource/a', '1', { qos: 1, packetId: 1 });
    await waitFor(() => values.waiting.length === 1);
    values.waiting[0]?.fail(new Problem('unavailable', 'The store does not answer.'));
    expect(await client.rest()).toMatchObject([{ type: 'disconnect', reasonCode: 0x89 }]);
  });

  it.each([
    ['a value that its connector does not allow', '$resource/a', 'x'],
    ['bytes that are no text', '$resource/b', '\xff'],
    ['a batch that is no JSON', '$resource.batch', '{'],
    ['a batch without times', '$resource.batch', '[{"values":{"a":1}}]'],
    ['a batch of nested values', '$resource.batch', '[{"timestamp":1700000000,"values":{"a":{"b":1}}}]'],
    [
      'a batch of a name that is lost on the way',
      '$resource.batch',
      '[{"timestamp":1700000000,"values":{"__proto__":1}}]',
    ],
    ['a batch of very many values', '$resource.batch', manyValues],
    ['a batch with a time before 1970', '$resource.batch', '[{"timestamp":-1,"values":{"a":1}}]'],
  ])('and would be refused again is acknowledged, with a code in MQTT 5: %s', async (_name, topic, payload) => {
    const values = site.valuesOf('pump-17');
    values.isSlow = true;
    await using client = await site.open({ certificate: 'pump-17', version: 5 });
    client.publish(topic, '', { payload: Buffer.from(payload, 'latin1'), qos: 1, packetId: 1 });
    await client.settle();
    values.waiting[0]?.fail(new Problem('invalid-request', 'The value "x" is no number.'));
    expect((await client.next('puback')).reasonCode).toBe(0x99);
  });

  it.each([
    'te/device/main///m/temperature',
    '$resource/',
    '$resource/a.b',
    '$resource/$a',
    '$SYS/x',
    '$provision/pump-18',
  ])('to the topic %s is refused: MQTT 5 has a code, before it the connection ends', async (topic) => {
    await using newest = await site.open({ certificate: 'pump-17', version: 5 });
    expect([0x87, 0x90]).toContain(await newest.publishWhole(topic, '1', { qos: 1 }));
    await using old = await site.open({ certificate: 'pump-17' });
    old.publish(topic, '1', { qos: 1, packetId: 1 });
    expect(await old.rest()).toEqual([]);
    expect(site.valuesOf('pump-17').written).toEqual([]);
  });

  it('to $provision/<its identity> changes nothing for a device that has a certificate', async () => {
    await using client = await site.open({ certificate: 'pump-17' });
    expect(await client.publishWhole('$provision/pump-17', '', { qos: 1 })).toBe(0);
    expect(await client.soFar()).toEqual([]);
  });

  it.each([
    ['QoS 2', { qos: 2, packetId: 1 }, 0x9b],
    ['retained', { retain: true }, 0x9a],
  ] as const)('as %s ends the session in MQTT 5, as CONNACK said', async (_name, options, reasonCode) => {
    await using client = await site.open({ certificate: 'pump-17', version: 5 });
    client.publish('$resource/a', '1', options);
    expect(await client.next('disconnect')).toMatchObject({ reasonCode });
  });

  it('faster than the store writes is not read until there is room', async () => {
    using narrow = new SessionSite({ pendingWrites: 2 });
    const values = narrow.valuesOf('pump-17');
    values.isSlow = true;
    await using client = await narrow.open({ certificate: 'pump-17' });
    for (let id = 1; id <= 5; id += 1) client.publish('$resource/a', String(id), { qos: 1, packetId: id });
    await waitFor(() => values.waiting.length === 2);
    for (let id = 1; id <= 5; id += 1) {
      await waitFor(() => values.waiting.length >= id);
      expect(values.waiting.length).toBeLessThanOrEqual(id + 1);
      values.waiting[id - 1]?.keep();
      expect((await client.next('puback')).packetId).toBe(id);
    }
  });
});

describe('a value that is set for a device', () => {
  it('comes without a subscription, at QoS 1, with its time in the topic', async () => {
    await using client = await site.open({ certificate: 'pump-17' });
    site.valuesOf('pump-17').command(command('valve', 'open', 1_700_000_000_000_001));
    expect(await client.messages(1)).toEqual(['$resource/valve/1700000000000001 open 1 #1']);
  });

  it('comes again at each connect until the device has written it back', async () => {
    const values = site.valuesOf('pump-17');
    values.unansweredCommands = [command('valve', 'open', 5)];
    for (let round = 0; round < 2; round += 1) {
      const client = await site.open({ certificate: 'pump-17' });
      expect(await client.messages(1)).toEqual(['$resource/valve/5 open 1 #1']);
      client.acknowledge('puback', 1);
      await client.disconnect();
    }
    values.unansweredCommands = [];
    await using client = await site.open({ certificate: 'pump-17' });
    expect(await client.soFar()).toEqual([]);
  });

  it('comes once when it is set while the device connects', async () => {
    const values = site.valuesOf('pump-17');
    values.unansweredCommands = [command('valve', 'open', 5)];
    await using client = await site.open({ certificate: 'pump-17' });
    values.command(command('valve', 'open', 5));
    values.command(command('valve', 'shut', 6));
    expect(await client.messages(2)).toEqual(['$resource/valve/5 open 1 #1', '$resource/valve/6 shut 1 #2']);
    expect(await client.soFar()).toEqual([]);
  });

  it('waits while the device acknowledges nothing, and only the newest of an alias is left then', async () => {
    const values = site.valuesOf('pump-17');
    await using client = await site.open({ certificate: 'pump-17', version: 5, properties: { receiveMaximum: 1 } });
    for (const [index, value] of ['a', 'b', 'c'].entries()) values.command(command('valve', value, index + 1));
    values.command(command('fan', 'on', 9));
    expect(await client.messages(1)).toEqual(['$resource/valve/1 a 1 #1']);
    client.acknowledge('puback', 1);
    expect(await client.messages(1)).toEqual(['$resource/valve/3 c 1 #2']);
    client.acknowledge('puback', 2);
    expect(await client.messages(1)).toEqual(['$resource/fan/9 on 1 #3']);
  });

  it('that waits is dropped when the device writes the alias itself', async () => {
    const values = site.valuesOf('pump-17');
    await using client = await site.open({ certificate: 'pump-17', version: 5, properties: { receiveMaximum: 1 } });
    values.command(command('fan', 'on', 1));
    values.command(command('valve', 'open', 2));
    expect(await client.messages(1)).toEqual(['$resource/fan/1 on 1 #1']);
    await client.publishKept('$resource/valve', 'shut');
    client.acknowledge('puback', 1);
    expect(await client.soFar()).toEqual([]);
  });

  it('is not sent when it is larger than the device takes', async () => {
    const options = { certificate: 'pump-17', version: 5, properties: { maximumPacketSize: 60 } } as const;
    await using client = await site.open(options);
    site.valuesOf('pump-17').command(command('valve', 'x'.repeat(60), 1));
    site.valuesOf('pump-17').command(command('fan', 'on', 2));
    expect(await client.messages(1)).toEqual(['$resource/fan/2 on 1 #2']);
  });

  it('goes to nobody after the session', async () => {
    const client = await site.open({ certificate: 'pump-17' });
    await client.disconnect();
    expect(site.valuesOf('pump-17').listenerCount).toBe(0);
  });
});

describe('a subscription', () => {
  it('is granted for the topics that come anyway, and for no other', async () => {
    await using client = await site.open({ certificate: 'pump-17' });
    expect(await client.subscribe({ '$resource/#': 2, '$resource/valve/+': 0, '#': 1, '$resource.batch': 1 })).toEqual([
      1, 0, 0x80, 0x80,
    ]);
  });

  it('with an identifier ends the session, as CONNACK said', async () => {
    await using client = await site.open({ certificate: 'pump-17', version: 5 });
    const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [{ filter: '$resource/#', qos: 1, ...options }] as const;
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: { subscriptionIdentifiers: [1] } });
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0xa1 });
  });
});

describe('a session', () => {
  it('is taken over by the next connection of the device', async () => {
    await using first = await site.open({ certificate: 'pump-17', version: 5 });
    await using second = await site.open({ certificate: 'pump-17' });
    expect(await first.next('disconnect')).toMatchObject({ reasonCode: 0x8e });
    await first.closed();
    site.valuesOf('pump-17').command(command('valve', 'open', 1));
    expect(await second.messages(1)).toEqual(['$resource/valve/1 open 1 #1']);
    expect(site.events).toEqual(['connect pump-17', 'disconnect pump-17', 'connect pump-17']);
  });

  it('is not taken over for ever by two devices with one identity', async () => {
    for (let round = 0; round <= 10; round += 1) await site.open({ certificate: 'pump-17', version: 5 });
    const eleventh = site.start({ certificate: 'pump-17', version: 5 });
    expect((await eleventh.next('connack')).reasonCode).toBe(0x9f);
    site.now += 5_000;
    await using later = await site.open({ certificate: 'pump-17', version: 5 });
    await later.settle();
    expect(site.sessions.counters.sessions).toBe(1);
  });

  it('is not taken over when the device had left', async () => {
    for (let round = 0; round < 20; round += 1) await (await site.open({ certificate: 'pump-17' })).disconnect();
    expect(site.sessions.counters.takeOvers).toBe(0);
  });

  it('ends after one and a half times the keep-alive without a packet', async () => {
    await using client = await site.open({ certificate: 'pump-17', version: 5, keepAliveSeconds: 1 });
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x8d });
    expect(site.events.at(-1)).toBe('disconnect pump-17');
  });

  it('answers what was published before it ends, when the entrance closes', async () => {
    const closing = new AbortController();
    const values = site.valuesOf('pump-17');
    values.isSlow = true;
    await using client = await site.open({ certificate: 'pump-17', version: 5, draining: closing.signal });
    client.publish('$resource/a', '1', { qos: 1, packetId: 1 });
    await waitFor(() => values.waiting.length === 1);
    closing.abort();
    values.waiting[0]?.keep();
    expect(await client.rest()).toMatchObject([
      { type: 'puback', packetId: 1 },
      { type: 'disconnect', reasonCode: 0x8b },
    ]);
  });

  it.each([
    ['a second CONNECT', '100c00044d5154540402000a00000000'],
    ['SUBACK', '9003000100'],
    ['AUTH', 'f000'],
    ['a packet of 200 MB', '30ffffff7f'],
    ['PUBLISH without a topic', '30020000'],
    ['a topic with a wildcard', '3005000324232f'],
  ])('ends with %s', async (_name, hex) => {
    await using client = await site.open({ certificate: 'pump-17', version: 5 });
    client.sendBytes(hex);
    const packets = await client.rest();
    expect(packets).toMatchObject([{ type: 'disconnect' }]);
    expect(site.valuesOf('pump-17').written).toEqual([]);
  });
});
