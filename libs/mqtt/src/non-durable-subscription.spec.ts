import { TestBroker } from '@sallyport/embedded-broker/testing';
import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { connectMqtt } from './connect.js';
import type { MqttConnection } from './port.js';

interface Site extends AsyncDisposable {
  connection(clientId?: string): MqttConnection;
}

async function embeddedSite(): Promise<Site> {
  const broker = await TestBroker.start();
  return { connection: (id) => broker.connection(id), [Symbol.asyncDispose]: () => broker.close() };
}

async function mosquittoSite(): Promise<Site> {
  const broker = await spawnMosquitto();
  return {
    connection: (clientId = 'test') => ({ kind: 'network', url: broker.url, clientId }),
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

const quiet = { onFault: () => undefined };

describe.each([
  ['the embedded broker', embeddedSite],
  ['Mosquitto', mosquittoSite],
])('a subscription that is not durable, on %s', (_broker, open) => {
  it('leaves nothing behind at the broker, also of a durable one before it', async () => {
    await using site = await open();
    const publisher = await connectMqtt(site.connection('publisher'), quiet);
    for (const isDurable of [true, false]) {
      const gone = await connectMqtt(site.connection(), quiet);
      await gone.subscribe('a', () => undefined, { isDurable });
      await gone.close();
    }
    await publisher.publish('a', 'meanwhile');

    const received: string[] = [];
    const again = await connectMqtt(site.connection(), quiet);
    // Durable again, so whatever the broker kept would come now.
    await again.subscribe('a', (_topic, payload) => void received.push(String(payload)));
    await publisher.publish('a', 'now');
    await waitFor(() => received.includes('now'));
    expect(received).toEqual(['now']);
    await again.close();
    await publisher.close();
  });

  it('tells by a reconnect that its handler failed, and goes on', async () => {
    await using site = await open();
    const faults: string[] = [];
    const mqtt = await connectMqtt(site.connection(), { onFault: ({ message }) => void faults.push(message) });
    const received: string[] = [];
    let resynchronised = 0;
    mqtt.onReconnect(() => {
      resynchronised++;
    });
    const handler = (_topic: string, payload: Buffer): void => {
      received.push(String(payload));
      if (received.length === 1) throw new Error('store is down');
    };
    await mqtt.subscribe('a', handler, { isDurable: false });
    await mqtt.publish('a', 'first');
    await waitFor(() => resynchronised === 1);
    await mqtt.publish('a', 'second');
    await waitFor(() => received.length === 2);
    expect(received).toEqual(['first', 'second']);
    expect(faults).toContain('a message to a could not be handled, so its subscription starts anew');
    await mqtt.close();
  });
});
