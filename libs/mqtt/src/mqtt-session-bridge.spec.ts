import type { Duplex } from 'node:stream';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { expect, it } from 'vitest';
import { openMqttSession } from './connect.js';

const messageCount = 1_000;
const cuts = 5;

it('a bridge of two MQTT sessions loses nothing and keeps the order, however often its far side is cut', async () => {
  await using near = await spawnMosquitto({ config: ['max_inflight_messages 100', 'max_queued_messages 0'] });
  await using far = await TestBroker.start();
  const [quiet, lines]: [{ onFault: () => void }, Duplex[]] = [{ onFault: () => undefined }, []];
  const nearAs = (clientId: string) => ({ kind: 'network', url: near.url, clientId }) as const;

  const received: number[] = [];
  const cloud = openMqttSession(far.connection('cloud'), {
    ...quiet,
    isDurable: true,
    filters: [{ filter: 'site/#' }],
    onMessage: ({ payload }) => void received.push(Number(payload)),
  });
  await cloud.connected(10_000);

  const openStream = () => {
    const line = far.broker.openStream();
    lines.push(line);
    return line;
  };
  const destination = openMqttSession(
    { kind: 'in-process', clientId: 'bridge', openStream },
    { ...quiet, isDurable: false, onConnected: () => source.resume(), onDisconnected: () => source.suspend() },
  );
  const source = openMqttSession(nearAs('bridge'), {
    ...quiet,
    isDurable: true,
    filters: [{ filter: 'te/#' }],
    window: 100,
    onMessage: ({ topic, payload }) => destination.publish(`site/${topic}`, payload),
  });
  await source.connected(10_000);

  const device = openMqttSession(nearAs('device'), { ...quiet, isDurable: true });
  for (let first = 0; first < messageCount; first += 100) {
    const batch = Array.from({ length: 100 }, (_, index) => device.publish('te/a', String(first + index)));
    if (first % (messageCount / cuts) === 0) lines.at(-1)?.destroy();
    await Promise.all(batch);
  }

  await waitFor(() => new Set(received).size === messageCount, { deadlineMs: 25_000 });
  // What comes again, comes after it came first.
  expect([...new Set(received)]).toEqual(Array.from({ length: messageCount }, (_, index) => index));
  for (const session of [device, source, destination, cloud]) await session.close();
});
