import type { Duplex } from 'node:stream';
import { loadSettings } from '@sallyport/config';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { type MqttSession, openMqttSession } from '@sallyport/mqtt';
import { TestClock, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MqttSessions } from '../mqtt-sessions.js';
import { MqttHealth } from './mqtt-health.js';

const status = 'te/device/main/service/sallyport-agent/status/health';
const { pid } = process;
const up = `${status} {"pid":${pid},"status":"up","time":1780315200.5}`;
const down = `${status} {"pid":${pid},"status":"down"}`;

describe('the health of a service, as thin-edge.io sees it', () => {
  let broker: TestBroker;
  let watcher: MqttSession;
  let heard: string[];
  let streams: Duplex[];
  let shown: MqttHealth[];

  beforeEach(async () => {
    broker = await TestBroker.start();
    [heard, streams, shown] = [[], [], []];
    watcher = openMqttSession(broker.connection('watcher'), {
      isDurable: false,
      filters: [{ filter: '#' }],
      onMessage: ({ topic, payload }) => void heard.push(`${topic} ${payload}`),
    });
    await watcher.connected(20_000);
  });

  afterEach(async () => {
    for (const health of shown) await health.close();
    await watcher.close();
    await broker.close();
  });

  /** Shows the health of the agent. */
  async function show(env: Record<string, string> = {}, clientId = 'agent'): Promise<MqttHealth | undefined> {
    await using directory = temporaryDirectory();
    const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
    const openStream = (): Duplex => {
      const stream = broker.broker.openStream();
      streams.push(stream);
      return stream;
    };
    const health = MqttHealth.open({
      service: 'agent',
      sessions: new MqttSessions({ kind: 'in-process', openStream, clientId }, 'agent'),
      settings,
      clock: new TestClock(new Date('2026-06-01T12:00:00.500Z')),
      onFault: () => undefined,
    });
    if (health !== undefined) shown.push(health);
    return health;
  }

  const isHeard = (message: string, times = 1) =>
    waitFor(() => heard.filter((each) => each === message).length === times, { what: `${times} of ${message}` });

  it('is up, after it has registered itself', async () => {
    await show();
    await isHeard(up);
    expect(heard).toEqual([
      'te/device/main/service/sallyport-agent {"@parent":"device/main//","@type":"service","name":"sallyport-agent","type":"service"}',
      up,
    ]);
  });

  it('is retained', async () => {
    await show();
    await isHeard(up);
    const kept: string[] = [];
    const late = openMqttSession(broker.connection('late'), {
      isDurable: false,
      filters: [{ filter: 'te/#' }],
      onMessage: ({ topic, isRetained }) => void (isRetained && kept.push(topic)),
    });
    await waitFor(() => kept.length === 2);
    expect(kept.sort()).toEqual(['te/device/main/service/sallyport-agent', status]);
    await late.close();
  });

  it.each([
    ['te/device/main/service/sallyport-agent/cmd/health/check', ''],
    ['te/device/main/service/sallyport-agent/cmd/health/check', '{}'],
    ['te/device/main///cmd/health/check', '{}'],
  ])('is told again after a check of %s with %j', async (topic, payload) => {
    await show();
    await isHeard(up);
    await watcher.publish(topic, payload);
    await isHeard(up, 2);
  });

  it.each([
    ['te/device/main/service/tedge-agent/cmd/health/check', '{}'],
    ['te/device/main/service/sallyport-agent/cmd/health/check', 'not a check'],
  ])('is not told after %s with %j', async (topic, payload) => {
    await show();
    await isHeard(up);
    await watcher.publish(topic, payload);
    await watcher.publish('te/device/main///cmd/health/check', '{}');
    await isHeard(up, 2);
  });

  it('is down once the service has stopped', async () => {
    const health = await show();
    await isHeard(up);
    await health?.close();
    await isHeard(down);
  });

  it('is down as soon as the connection is lost, and up again after it', async () => {
    await show();
    await isHeard(up);
    streams[0]?.destroy();
    await isHeard(down);
    await waitFor(() => heard.at(-1) === up);
  });

  it('stays up when one of two replicas stops', async () => {
    const first = await show();
    await show({}, 'other');
    await isHeard(up, 2);
    await first?.close();
    await isHeard(down);
    await waitFor(() => heard.at(-1) === up);
  });

  it('has the topics, the type and the time that the settings say', async () => {
    await show({
      TEDGE_MQTT_TOPIC_ROOT: 'site',
      TEDGE_MQTT_DEVICE_TOPIC_ID: 'device/child01//',
      TEDGE_SERVICE_TYPE: 'systemd',
      TEDGE_SERVICE_TIMESTAMP_FORMAT: 'rfc-3339',
    });
    const topic = 'site/device/child01/service/sallyport-agent';
    await isHeard(`${topic}/status/health {"pid":${pid},"status":"up","time":"2026-06-01T12:00:00.500Z"}`);
    expect(heard[0]).toBe(
      `${topic} {"@parent":"device/child01//","@type":"service","name":"sallyport-agent","type":"systemd"}`,
    );
  });

  it('is not shown for a device with a custom topic id, whose services have no known topics', async () => {
    expect(await show({ TEDGE_MQTT_DEVICE_TOPIC_ID: 'factory/hall1/gateway/' })).toBeUndefined();
  });
});
