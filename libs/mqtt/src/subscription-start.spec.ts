import { type Duplex, duplexPair } from 'node:stream';
import { waitFor } from '@sallyport/testkit';
import { Aedes, type AedesOptions } from 'aedes';
import { describe, expect, it } from 'vitest';
import { connectMqtt } from './connect.js';
import type { MqttConnection } from './port.js';

type AuthorizeSubscribe = NonNullable<AedesOptions['authorizeSubscribe']>;

/** An embedded broker whose answers to SUBSCRIBE the test decides. */
async function brokerThat(authorizeSubscribe: AuthorizeSubscribe) {
  const broker = await Aedes.createBroker({ authorizeSubscribe });
  const openStream = (): Duplex => {
    const [ours, theirs] = duplexPair();
    broker.handle(theirs);
    return ours;
  };
  const connection: MqttConnection = { kind: 'in-process', openStream, clientId: 'test' };
  return { connection, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => broker.close(() => resolve())) };
}

const onFault = (): void => undefined;

describe('a subscription that the broker does not grant at once', () => {
  it('is given up when the service stops, although the broker never answers', async () => {
    let asked = false;
    await using broker = await brokerThat(() => {
      asked = true;
    });
    const stop = new AbortController();
    const mqtt = await connectMqtt(broker.connection, { signal: stop.signal, onFault });
    const subscribing = mqtt.subscribe('a', () => undefined);
    subscribing.catch(() => undefined);
    await waitFor(() => asked);
    stop.abort();
    await expect(subscribing).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('is given up when the connection is closed meanwhile', async () => {
    let asked = false;
    await using broker = await brokerThat(() => {
      asked = true;
    });
    const mqtt = await connectMqtt(broker.connection, { onFault });
    const subscribing = mqtt.subscribe('a', () => undefined);
    subscribing.catch(() => undefined);
    await waitFor(() => asked);
    await mqtt.close();
    await expect(subscribing).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('takes up the same session at the next try, so that the broker queues in none that nobody reads', async () => {
    const clientIds: string[] = [];
    await using broker = await brokerThat((client, subscription, done) => {
      clientIds.push(client?.id ?? '');
      if (clientIds.length === 1) done(null, null);
      else done(null, subscription);
    });
    const mqtt = await connectMqtt(broker.connection, { onFault });
    await expect(mqtt.subscribe('a', () => undefined)).rejects.toMatchObject({ type: 'forbidden' });
    await mqtt.subscribe('a', () => undefined);
    expect(clientIds).toEqual(['test/subscription/a', 'test/subscription/a']);
    await mqtt.close();
  });
});
