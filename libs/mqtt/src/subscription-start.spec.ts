import { type AccessRules, tableRules } from '@sallyport/embedded-broker';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { MqttAccess } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { connectMqtt } from './connect.js';

/** An embedded broker whose answers to SUBSCRIBE the test decides. */
function brokerThat(maySubscribe: AccessRules['maySubscribe']): Promise<TestBroker> {
  return TestBroker.start({ rules: { ...tableRules(new MqttAccess()), maySubscribe } });
}

const neverAnswered = new Promise<boolean>(() => undefined);
const onFault = (): void => undefined;

describe('a subscription that the broker does not grant at once', () => {
  it('is given up when the service stops, although the broker never answers', async () => {
    let asked = false;
    await using broker = await brokerThat(() => {
      asked = true;
      return neverAnswered;
    });
    const stop = new AbortController();
    const mqtt = await connectMqtt(broker.connection(), { signal: stop.signal, onFault });
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
      return neverAnswered;
    });
    const mqtt = await connectMqtt(broker.connection(), { onFault });
    const subscribing = mqtt.subscribe('a', () => undefined);
    subscribing.catch(() => undefined);
    await waitFor(() => asked);
    await mqtt.close();
    await expect(subscribing).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('takes up the same session at the next try, so that the broker queues in none that nobody reads', async () => {
    const sessions: string[] = [];
    await using broker = await brokerThat((_origin, _filter, session) => {
      sessions.push(session);
      return sessions.length > 1;
    });
    const mqtt = await connectMqtt(broker.connection(), { onFault });
    await expect(mqtt.subscribe('a', () => undefined)).rejects.toMatchObject({ type: 'forbidden' });
    await mqtt.subscribe('a', () => undefined);
    expect(sessions).toEqual(['service/test/subscription/a', 'service/test/subscription/a']);
    await mqtt.close();
  });
});
