import { TestBroker } from '@sallyport/embedded-broker/testing';
import { type DeadLetter, deadLetter, deadLetterRoot, deviceChanged } from '@sallyport/protocol';
import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { connectMqtt } from './connect.js';
import { subscribeEvent } from './events.js';
import type { Mqtt, MqttConnection } from './port.js';

interface Site extends AsyncDisposable {
  readonly mqtt: Mqtt;
  /** What the owner was told. */
  readonly told: { readonly letter: DeadLetter; readonly topic: string }[];
  /** What an operator finds at the broker. */
  kept(): Promise<{ readonly topic: string; readonly letter: DeadLetter }[]>;
}

const quiet = { onFault: () => undefined };

async function openSite(connection: MqttConnection, close: () => Promise<void>): Promise<Site> {
  const told: { letter: DeadLetter; topic: string }[] = [];
  const mqtt = await connectMqtt(connection, {
    ...quiet,
    mostFailures: 3,
    now: () => new Date('2026-11-30T12:00:00Z'),
    onDeadLetter: (letter, topic) => void told.push({ letter, topic }),
  });
  const operator = await connectMqtt({ ...connection, clientId: 'operator' }, quiet);
  const kept: { topic: string; letter: DeadLetter }[] = [];
  return {
    mqtt,
    told,
    kept: async () => {
      await operator.subscribe(`${deadLetterRoot}/#`, (topic, payload) => {
        kept.push({ topic, letter: deadLetter.parse(JSON.parse(String(payload))) });
      });
      await waitFor(() => kept.length > 0);
      return kept;
    },
    [Symbol.asyncDispose]: async () => {
      await operator.close();
      await mqtt.close();
      await close();
    },
  };
}

async function embeddedSite(): Promise<Site> {
  const broker = await TestBroker.start();
  return openSite(broker.connection('signer'), () => broker.close());
}

async function mosquittoSite(): Promise<Site> {
  const broker = await spawnMosquitto();
  return openSite({ kind: 'network', url: broker.url, clientId: 'signer' }, () => broker.stop());
}

describe('a message that no handler can take', () => {
  it.each([
    ['the embedded broker', embeddedSite],
    ['Mosquitto', mosquittoSite],
  ])('becomes a dead letter at once when it breaks its contract, kept by %s', async (_broker, open) => {
    await using site = await open();
    await subscribeEvent(site.mqtt, deviceChanged, async () => undefined, { onInvalid: () => undefined });
    await site.mqtt.publish(deviceChanged.topic, 'hello');
    await waitFor(() => site.told.length > 0);
    const [kept] = await site.kept();
    expect(kept).toEqual(site.told[0]);
    expect(kept?.topic).toMatch(/^sallyport\/v1\/dead-letter\/signer\/[0-9a-f]{32}$/);
    expect(kept?.letter).toMatchObject({
      topic: 'sallyport/v1/event/device-changed',
      filter: 'sallyport/v1/event/device-changed',
      payload: Buffer.from('hello').toString('base64'),
      payloadBytes: 5,
      failures: 1,
      failedAt: '2026-11-30T12:00:00.000Z',
    });
  });

  it('becomes a dead letter when its handler has failed as often as it may, and those behind it are delivered', async () => {
    await using site = await embeddedSite();
    const handled: string[] = [];
    let attempts = 0;
    await site.mqtt.subscribe('n', (_topic, payload) => {
      if (String(payload) === 'poison') {
        attempts++;
        throw new Error('store is down', { cause: new Error('disk is full') });
      }
      handled.push(String(payload));
    });
    for (const payload of ['poison', 'next']) await site.mqtt.publish('n', payload);
    await waitFor(() => handled.length > 0);
    expect([attempts, handled]).toEqual([3, ['next']]);
    expect(site.told.map(({ letter }) => [letter.failures, letter.error])).toEqual([
      [3, 'store is down: disk is full'],
    ]);
  });

  it('keeps the first 64 KiB of a larger payload, and says how large it was', async () => {
    await using site = await embeddedSite();
    await subscribeEvent(site.mqtt, deviceChanged, async () => undefined, { onInvalid: () => undefined });
    await site.mqtt.publish(deviceChanged.topic, 'x'.repeat(100_000));
    await waitFor(() => site.told.length > 0);
    const { payload = '', payloadBytes } = site.told[0]?.letter ?? {};
    expect([Buffer.from(payload, 'base64').length, payloadBytes]).toEqual([65_536, 100_000]);
  });
});
