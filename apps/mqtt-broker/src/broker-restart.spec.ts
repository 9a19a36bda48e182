import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { connectMqtt, type Mqtt, publishEvent, subscribeEvent } from '@sallyport/mqtt';
import { deviceChanged, deviceId } from '@sallyport/protocol';
import { openSqliteStore, type Store } from '@sallyport/store';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { inProcess, openBrokerSite, quiet } from './broker-site.fixture.js';

describe('broker that was restarted', () => {
  const change = (id: string) => ({
    deviceId: deviceId.parse(id),
    state: 'revoked' as const,
    fingerprints: [],
    changedAt: '2026-11-21T10:00:00Z',
  });

  interface Installation extends AsyncDisposable {
    readonly store: Store;
    /** A broker on the store. The one before it is left as a crash leaves it: it writes nothing more. */
    start(): EmbeddedBroker;
    connect(broker: EmbeddedBroker, clientId: string): Promise<Mqtt>;
  }

  async function install(): Promise<Installation> {
    const directory = temporaryDirectory();
    const store = await openSqliteStore({ file: directory.file('store.db') });
    const closers: (() => Promise<void>)[] = [];
    return {
      store,
      start: () => {
        const broker = new EmbeddedBroker({ store, onWarning: () => undefined });
        closers.push(() => broker.close());
        return broker;
      },
      connect: async (broker, clientId) => {
        const mqtt = await connectMqtt(inProcess(broker, clientId), quiet);
        closers.push(() => mqtt.close());
        return mqtt;
      },
      [Symbol.asyncDispose]: async () => {
        for (const close of closers.reverse()) await close();
        await store.close();
        await directory.remove();
      },
    };
  }

  async function devicesSeen(mqtt: Mqtt): Promise<string[]> {
    const seen: string[] = [];
    await subscribeEvent(mqtt, deviceChanged, async (event) => void seen.push(event.deviceId));
    return seen;
  }

  it('delivers the events a service had not handled, before those that came since', async () => {
    await using site = await install();
    const before = site.start();
    const never = new Promise<void>(() => undefined);
    await subscribeEvent(await site.connect(before, 'signer'), deviceChanged, () => never);
    await publishEvent(await site.connect(before, 'registry'), deviceChanged, change('child01'));
    const after = site.start();
    await publishEvent(await site.connect(after, 'registry'), deviceChanged, change('child02'));
    const seen = await devicesSeen(await site.connect(after, 'signer'));
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['child01', 'child02']);
  });

  it('does not deliver what was handled', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'svc');
    await devicesSeen(mqtt);
    await publishEvent(mqtt, deviceChanged, change('child01'));
    await waitFor(async () => (await site.store.list('event/')).entries.length === 0);
    const again = await site.connect(site.start(), 'svc');
    const seen = await devicesSeen(again);
    await publishEvent(again, deviceChanged, change('child02'));
    await waitFor(() => seen.length > 0);
    expect(seen).toEqual(['child02']);
  });

  it('keeps an event until the last of its subscribers has handled it', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'first');
    const seen = await devicesSeen(mqtt);
    const second = await site.connect(site.start(), 'second');
    await devicesSeen(second);
    const third = site.start();
    await publishEvent(await site.connect(third, 'registry'), deviceChanged, change('child01'));
    await devicesSeen(await site.connect(third, 'first'));
    expect((await site.store.list('event/')).entries).toHaveLength(1);
    await devicesSeen(await site.connect(third, 'second'));
    await waitFor(async () => (await site.store.list('event/')).entries.length === 0);
    expect(seen).toEqual([]);
  });

  it('still has its retained messages', async () => {
    await using installation = await install();
    {
      await using site = await openBrokerSite({ store: installation.store });
      await site.publish('te/main', 'v1', '-r');
      await site.publish('te/gone', 'v1', '-r');
      await site.publish('te/gone', '', '-r');
    }
    await using again = await openBrokerSite({ store: installation.store });
    expect((await again.subscribe('te/#', 2)).stdout).toBe('te/main v1\n');
  });

  it('does not acknowledge an event it could not write down', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'svc');
    await devicesSeen(mqtt);
    await site.store.close();
    const publishing = mqtt.publish(deviceChanged.topic, JSON.stringify(change('child01')), { deadlineMs: 300 });
    await expect(publishing).rejects.toMatchObject({ type: 'unavailable' });
  });
});
