import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ManualClient } from './manual-client.fixture.js';
import { TestBroker } from './testing.js';

const slowReader = { inFlightMessages: 1, queuedMessages: 8 };

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
});
