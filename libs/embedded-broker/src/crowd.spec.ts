import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { pause } from '@sallyport/concurrency';
import { encodePacket } from '@sallyport/mqtt-wire';
import { deviceId } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ManualClient } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

const silentConnect = {
  type: 'connect',
  version: 4,
  isClean: true,
  keepAliveSeconds: 0,
  will: undefined,
  userName: undefined,
  password: undefined,
  properties: undefined,
} as const;

const slowReader = { inFlightMessages: 1, queuedMessages: 8 };
/** Nobody is let go because a reader makes no progress. */
const patient = { ...slowReader, crowdMs: 3_600_000 };

/** A client that acknowledges nothing for now, with one message that waits, and a client that floods it. */
async function crowdedReader(qos: 0 | 1, open: typeof ManualClient.start = ManualClient.start) {
  const site = await TestBroker.start({ limits: patient });
  const reader = open(site.broker, { clientId: 'reader', network: '10.0.0.9' });
  await reader.subscribe({ '#': 1 });
  const flooder = await ManualClient.open(site.broker, { clientId: 'flooder', network: '10.0.0.1' });
  for (const payload of ['in flight', 'waiting']) await flooder.publishKept('flood', payload);
  for (let index = 1; index <= 200; index += 1) flooder.publish('flood', 'x', { qos, packetId: qos === 0 ? 0 : index });
  return { site, reader, flooder };
}

describe('a client that is slower than its publisher', () => {
  it('loses nothing as long as it goes on: the publisher waits', async () => {
    await using site = await TestBroker.start({ limits: slowReader });
    await using reader = await ManualClient.open(site.broker, { clientId: 'reader' });
    await reader.subscribe({ a: 1 });
    await using publisher = await ManualClient.open(site.broker, { clientId: 'publisher' });
    for (let index = 1; index <= 200; index += 1) publisher.publish('a', String(index), { qos: 1, packetId: index });
    const payloads: string[] = [];
    while (payloads.length < 200) {
      const { payload, packetId } = await reader.next('publish');
      payloads.push(String(payload));
      reader.acknowledge('puback', packetId);
    }
    expect(payloads).toEqual(Array.from({ length: 200 }, (_, index) => String(index + 1)));
  });

  it('is not waited for when it has stopped; then its newest messages are dropped, with a count', async () => {
    await using site = await TestBroker.start({ limits: slowReader });
    await using reader = await ManualClient.open(site.broker, { clientId: 'reader' });
    await reader.subscribe({ a: 1 });
    await using publisher = await ManualClient.open(site.broker, { clientId: 'publisher' });
    for (let index = 1; index <= 200; index += 1) publisher.publish('a', String(index), { qos: 1, packetId: index });
    await waitFor(() => publisher.received.length === 200);
    expect(site.broker.counters.dropped['session-full']).toBe(200 - 9);
  });

  it('does not hold up a publisher that is the same client', async () => {
    await using site = await TestBroker.start({ limits: slowReader });
    await using client = await ManualClient.open(site.broker);
    await client.subscribe({ a: 1 });
    for (let index = 1; index <= 20; index += 1) client.publish('a', String(index), { qos: 1, packetId: index });
    await client.settle();
    expect(client.received.filter(({ type }) => type === 'puback')).toHaveLength(20);
  });

  it('lets its publisher go when it leaves', async () => {
    await using site = await TestBroker.start({ limits: slowReader });
    const reader = await ManualClient.open(site.broker, { clientId: 'reader', isClean: false });
    await reader.subscribe({ a: 1 });
    await using publisher = await ManualClient.open(site.broker, { clientId: 'publisher' });
    for (let index = 1; index <= 6; index += 1) publisher.publish('a', String(index), { qos: 1, packetId: index });
    await reader.drop();
    await publisher.settle();
  });

  it('holds up no client of another identity, and no service', async () => {
    await using site = await TestBroker.start({ limits: slowReader });
    const deviceClient = (id: string, clientId: string) =>
      ManualClient.open(site.broker, { clientId, peer: { deviceId: deviceId.parse(id), kind: 'device' } });
    await using reader = await deviceClient('press', 'reader');
    await reader.subscribe({ 'te/device/press/#': 1 });
    await using own = await deviceClient('press', 'own');
    for (let index = 1; index <= 6; index += 1) own.publish('te/device/press/a', 'x', { qos: 1, packetId: index });
    const { packetId } = await reader.next('publish');
    await using service = ManualClient.serve(site.broker, { clientId: 'service' });
    await service.next('connack');
    // It goes on reading just fast enough to count as there, and its queue never gets shorter.
    let lastPacketId = packetId;
    let isSettled = false;
    const settled = (async () => {
      service.publish('te/device/press/cmd', 'x', { qos: 1, packetId: 1 });
      await service.settle();
      isSettled = true;
    })();
    for (let count = 0; count < 4 && !isSettled; count += 1) {
      reader.acknowledge('puback', lastPacketId);
      lastPacketId = (await reader.next('publish')).packetId;
    }
    expect(isSettled).toBe(true);
    await settled;
  });

  it('is not cut as long as it reads, also when there is always more for it', async () => {
    const drainMs = 1_000;
    await using site = await TestBroker.start({ limits: { drainMs, outputBytes: 256 * 1024 } });
    const [reader, brokerSide] = duplexPair();
    site.broker.accept(brokerSide, undefined, { network: 'reader' });
    const options = { filter: 'a', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    reader.write(encodePacket({ ...silentConnect, clientId: 'reader' }, 4));
    reader.write(encodePacket({ type: 'subscribe', packetId: 1, subscriptions: [options], properties: undefined }, 4));
    await once(reader, 'readable');
    await using publisher = await ManualClient.open(site.broker, { clientId: 'publisher' });
    for (const end = performance.now() + 3 * drainMs; performance.now() < end && !brokerSide.destroyed; ) {
      // More than it reads.
      for (let count = 0; count < 3; count += 1) await publisher.publishKept('a', 'x'.repeat(16 * 1024));
      reader.read(Math.min(reader.readableLength, 32 * 1024));
      await pause(10);
    }
    expect(brokerSide.destroyed).toBe(false);
    reader.destroy();
  });
});

describe('a client whose queue one publisher fills', () => {
  it.each([
    { reader: 'a client of the network', open: ManualClient.start },
    { reader: 'a service', open: ManualClient.serve },
  ])('holds up this publisher, and no other network: $reader', async ({ open }) => {
    const { site, reader, flooder } = await crowdedReader(1, open);
    await using _ = site;
    await using honest = await ManualClient.open(site.broker, { clientId: 'honest', network: '10.0.0.2' });
    await honest.publishKept('honest', 'x');
    await honest.publishKept('honest', 'y');
    expect(flooder.received.length).toBeLessThan(8);
    reader.acknowledge('puback', (await reader.next('publish')).packetId);
    await reader.next('publish');
  });

  it('holds up nobody at QoS 0: what is more than the fair part is dropped, with a count', async () => {
    const { site, reader, flooder } = await crowdedReader(0);
    await using _ = site;
    await flooder.settle();
    expect(site.broker.counters.dropped['slow-reader']).toBe(200 - 3);
    await using honest = await ManualClient.open(site.broker, { clientId: 'honest', network: '10.0.0.2' });
    honest.publish('honest', 'x');
    await honest.settle();
    await using honester = await ManualClient.open(site.broker, { clientId: 'honester', network: '10.0.0.3' });
    await honester.publishKept('honest', 'y');
    const topics: string[] = [];
    while (topics.at(-2) !== 'honest') {
      const { topic, packetId, qos } = await reader.next('publish');
      topics.push(topic);
      if (qos === 1) reader.acknowledge('puback', packetId);
    }
    expect(topics.slice(-2)).toEqual(['honest', 'honest']);
  });
});
