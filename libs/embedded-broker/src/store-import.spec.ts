import { openSqliteStore } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { EmbeddedBroker } from './embedded-broker.js';
import { ManualClient } from './manual-client.fixture.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** What an earlier release kept: a service with an event it has not handled, and the retained messages. */
async function openEarlierStore() {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ file: directory.file('store.db') });
  const event = 'sallyport/v1/event/x';
  const name = 'service/signer';
  await store.put('session/1', { name, subscriptions: [{ topic: event, qos: 1 }], savedAt: 1_000 });
  for (const index of [1, 2])
    await store.put(`event/000000000000000${index}`, { topic: event, payload: base64(`${index}`), recipients: [name] });
  await store.put('retained/1', { topic: 'te/main', payload: base64('state'), qos: 1 });
  const brokers: EmbeddedBroker[] = [];
  return {
    store,
    start: async () => {
      for (const earlier of brokers) await earlier.close();
      const broker = new EmbeddedBroker({ store, directory: directory.file('journal'), onWarning: () => undefined });
      brokers.push(broker);
      await broker.ready;
      return broker;
    },
    keys: async () => {
      const keys: string[] = [];
      for (const prefix of ['event/', 'session/', 'retained/'])
        for await (const { key } of store.listAll(prefix)) keys.push(key);
      return keys;
    },
    [Symbol.asyncDispose]: async () => {
      for (const broker of brokers) await broker.close();
      await store.close();
      await directory.remove();
    },
  };
}

async function retainedOf(broker: EmbeddedBroker): Promise<string[]> {
  await using client = await ManualClient.open(broker, { clientId: 'reader' });
  await client.subscribe({ 'te/#': 0 });
  return client.messages(1);
}

describe('what an earlier release kept in the store', () => {
  it('is moved to the journal, and removed from the store', async () => {
    await using site = await openEarlierStore();
    expect(await retainedOf(await site.start())).toEqual(['te/main state 0 retained']);
    expect(await site.keys()).toEqual([]);
    // The journal has it after a restart.
    expect(await retainedOf(await site.start())).toEqual(['te/main state 0 retained']);
  });

  it('still reaches the service it waits for, in its order', async () => {
    await using site = await openEarlierStore();
    const broker = await site.start();
    await using service = ManualClient.serve(broker, { clientId: 'signer', isClean: false });
    expect((await service.next('connack')).sessionPresent).toBe(true);
    expect((await service.messages(2)).map((text) => text.split(' ')[1])).toEqual(['1', '2']);
  });

  it('is moved once: what is in the store later is not taken over again', async () => {
    await using site = await openEarlierStore();
    await site.start();
    await site.store.put('retained/2', { topic: 'te/late', payload: base64('x'), qos: 1 });
    expect(await retainedOf(await site.start())).toEqual(['te/main state 0 retained']);
    expect(await site.keys()).toEqual([]);
  });

  it('stops the start when it cannot be read, and stays where it is', async () => {
    await using site = await openEarlierStore();
    await site.store.put('event/3', { unknown: 1 });
    await expect(site.start()).rejects.toThrow();
    expect(await site.keys()).toHaveLength(5);
  });
});
