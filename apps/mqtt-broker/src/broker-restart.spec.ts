import { cp } from 'node:fs/promises';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { FillingDisk } from '@sallyport/embedded-broker/testing';
import { connectMqtt, type Mqtt, publishEvent, subscribeEvent } from '@sallyport/mqtt';
import { deviceChanged, deviceId } from '@sallyport/protocol';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type BrokerSite, inProcess, openBrokerSite, quiet } from './broker-site.fixture.js';

describe('broker that was restarted', () => {
  const change = (id: string) => ({
    deviceId: deviceId.parse(id),
    state: 'revoked' as const,
    fingerprints: [],
    changedAt: '2026-11-21T10:00:00Z',
  });

  interface Installation extends AsyncDisposable {
    readonly disk: FillingDisk;
    /** A broker on what the one before it has on disk at this moment, as after a crash. That one runs on, unseen. */
    start(): Promise<EmbeddedBroker>;
    /** The same, with a port for clients of the network. */
    startSite(): Promise<BrokerSite>;
    connect(broker: EmbeddedBroker, clientId: string): Promise<Mqtt>;
  }

  function install(): Installation {
    const root = temporaryDirectory();
    const disk = new FillingDisk();
    const closers: (() => Promise<void>)[] = [];
    let runs = 0;
    const nextOptions = async () => {
      const directory = root.file(`run-${runs + 1}`);
      if (runs > 0) await cp(root.file(`run-${runs}`), directory, { recursive: true });
      runs += 1;
      return { directory, openDisk: disk.open, onWarning: () => undefined };
    };
    return {
      disk,
      start: async () => {
        const broker = new EmbeddedBroker(await nextOptions());
        closers.push(() => broker.close());
        await broker.ready;
        return broker;
      },
      startSite: async () => {
        const site = await openBrokerSite(await nextOptions());
        closers.push(async () => site[Symbol.asyncDispose]());
        return site;
      },
      connect: async (broker, clientId) => {
        const mqtt = await connectMqtt(inProcess(broker, clientId), quiet);
        closers.push(() => mqtt.close());
        return mqtt;
      },
      [Symbol.asyncDispose]: async () => {
        for (const close of closers.reverse()) await close();
        await root.remove();
      },
    };
  }

  async function devicesSeen(mqtt: Mqtt): Promise<string[]> {
    const seen: string[] = [];
    await subscribeEvent(mqtt, deviceChanged, async (event) => void seen.push(event.deviceId));
    return seen;
  }

  it('delivers the events a service had not handled, before those that came since', async () => {
    await using site = install();
    const before = await site.start();
    const never = new Promise<void>(() => undefined);
    await subscribeEvent(await site.connect(before, 'signer'), deviceChanged, () => never);
    await publishEvent(await site.connect(before, 'registry'), deviceChanged, change('child01'));
    const after = await site.start();
    await publishEvent(await site.connect(after, 'registry'), deviceChanged, change('child02'));
    const seen = await devicesSeen(await site.connect(after, 'signer'));
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['child01', 'child02']);
  });

  it('does not deliver what was handled', async () => {
    await using site = install();
    const before = await site.start();
    const mqtt = await site.connect(before, 'svc');
    const handled = await devicesSeen(mqtt);
    await publishEvent(mqtt, deviceChanged, change('child01'));
    await waitFor(() => handled.length === 1);
    // Its acknowledgement is on disk when a later one is.
    await publishEvent(mqtt, deviceChanged, change('child02'));
    await waitFor(() => handled.length === 2);
    await publishEvent(mqtt, deviceChanged, change('child03'));
    const again = await site.connect(await site.start(), 'svc');
    const seen = await devicesSeen(again);
    await publishEvent(again, deviceChanged, change('child04'));
    await waitFor(() => seen.includes('child04'));
    expect(seen).not.toContain('child01');
  });

  it('keeps an event until the last of its subscribers has handled it', async () => {
    await using site = install();
    const first = await site.start();
    await devicesSeen(await site.connect(first, 'first'));
    await devicesSeen(await site.connect(first, 'second'));
    const second = await site.start();
    await publishEvent(await site.connect(second, 'registry'), deviceChanged, change('child01'));
    const seenByFirst = await devicesSeen(await site.connect(second, 'first'));
    await waitFor(() => seenByFirst.length === 1);
    const third = await site.start();
    const seenBySecond = await devicesSeen(await site.connect(third, 'second'));
    await waitFor(() => seenBySecond.length === 1);
    expect([seenByFirst, seenBySecond]).toEqual([['child01'], ['child01']]);
  });

  it('still has its retained messages', async () => {
    await using installation = install();
    const site = await installation.startSite();
    await site.publish('te/main', 'v1', '-r');
    await site.publish('te/gone', 'v1', '-r');
    await site.publish('te/gone', '', '-r');
    await (await site.service()).publish('te/large', 'x'.repeat(900_000), { retain: true });
    const again = await installation.startSite();
    const { stdout } = await again.subscribe('te/#', 3);
    expect(stdout.split('\n').map((line) => line.slice(0, 20))).toEqual([
      'te/main v1',
      `te/large ${'x'.repeat(11)}`,
      '',
    ]);
  });

  it.each([1, 2])('still has what waits for a client of the network that is away, at QoS %i', async (qos) => {
    await using installation = install();
    const site = await installation.startSite();
    const subscribe = (at: BrokerSite, count: number, ...args: string[]) =>
      at.subscribe('te/a', count, '-i', 'away', '-c', '-q', String(qos), ...args);
    await subscribe(site, 1, '-E');
    for (const message of ['1', '2', '3']) await site.publish('te/a', message, '-q', String(qos));
    const again = await installation.startSite();
    expect((await subscribe(again, 3)).stdout).toBe('te/a 1\nte/a 2\nte/a 3\n');
    const third = await installation.startSite();
    await third.publish('te/a', '4');
    expect((await subscribe(third, 4)).stdout.endsWith('te/a 4\n')).toBe(true);
  });

  it('does not acknowledge what it could not write down, and does when the disk has room again', async () => {
    await using site = install();
    const broker = await site.start();
    const mqtt = await site.connect(broker, 'svc');
    const seen = await devicesSeen(mqtt);
    site.disk.isFull = true;
    const publishing = mqtt.publish(deviceChanged.topic, JSON.stringify(change('child01')), { deadlineMs: 300 });
    await expect(publishing).rejects.toMatchObject({ type: 'unavailable' });
    site.disk.isFull = false;
    await publishEvent(mqtt, deviceChanged, change('child02'));
    await waitFor(() => seen.includes('child02'));
  });
});
