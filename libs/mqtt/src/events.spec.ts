import { deviceChanged, deviceId } from '@sallyport/protocol';
import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { connectMqtt } from './connect.js';
import { publishEvent, subscribeEvent } from './events.js';
import type { Mqtt } from './port.js';

const change = {
  deviceId: deviceId.parse('child01'),
  state: 'revoked' as const,
  fingerprints: [],
  changedAt: '2026-11-21T10:00:00Z',
};

interface Site extends AsyncDisposable {
  readonly mqtt: Mqtt;
}

async function openSite(): Promise<Site> {
  const broker = await spawnMosquitto();
  const mqtt = await connectMqtt({ kind: 'network', url: broker.url, clientId: 'test' }, { onFault: () => undefined });
  const dispose = async (): Promise<void> => {
    await mqtt.close();
    await broker.stop();
  };
  return { mqtt, [Symbol.asyncDispose]: dispose };
}

describe('events between services', () => {
  it('arrive as they were published', async () => {
    await using site = await openSite();
    const events: unknown[] = [];
    await subscribeEvent(site.mqtt, deviceChanged, async (event) => void events.push(event));
    await publishEvent(site.mqtt, deviceChanged, change);
    await waitFor(() => events.length > 0);
    expect(events).toEqual([change]);
  });

  it('are not sent when they break their contract', async () => {
    await using site = await openSite();
    const publishing = publishEvent(site.mqtt, deviceChanged, { ...change, changedAt: 'yesterday' });
    await expect(publishing).rejects.toMatchObject({ type: 'invalid-request' });
  });

  it.each([
    ['no JSON', 'hello'],
    ['of another shape', '{"deviceId":"child01"}'],
  ])('are reported and dropped when they are %s', async (_what, message) => {
    await using site = await openSite();
    const [events, faults]: [unknown[], string[]] = [[], []];
    const onInvalid = (fault: Error): void => void faults.push(fault.message);
    await subscribeEvent(site.mqtt, deviceChanged, async (event) => void events.push(event), { onInvalid });
    await site.mqtt.publish(deviceChanged.topic, message);
    await publishEvent(site.mqtt, deviceChanged, change);
    await waitFor(() => events.length > 0);
    expect(faults).toEqual(['a message to sallyport/v1/event/device-changed breaks its contract']);
  });

  it('come again after their handler failed', async () => {
    await using site = await openSite();
    let attempts = 0;
    await subscribeEvent(site.mqtt, deviceChanged, async () => {
      attempts++;
      if (attempts === 1) throw new Error('store is down');
    });
    await publishEvent(site.mqtt, deviceChanged, change);
    await waitFor(() => attempts === 2);
  });
});
