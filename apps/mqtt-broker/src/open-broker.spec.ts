import { loadSettings, type Settings } from '@sallyport/config';
import { openMqttSession } from '@sallyport/mqtt';
import { openLog } from '@sallyport/runtime';
import { temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { openBroker } from './open-broker.js';

interface Opened extends AsyncDisposable {
  readonly parts: string[];
  readonly broker: Awaited<ReturnType<typeof openBroker>>;
  readonly settings: Settings;
}

async function open(env: Readonly<Record<string, string>> = {}): Promise<Opened> {
  const directory = temporaryDirectory('sp-');
  const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
  const stops: { name: string; stop: () => Promise<unknown> }[] = [];
  const readSettings = async () => settings;
  const process = { settings, readSettings, opened: (part: (typeof stops)[number]) => void stops.push(part) };
  const broker = await openBroker(process, { log: openLog({ level: 'silent' }) });
  return {
    parts: stops.map(({ name }) => name),
    broker,
    settings,
    [Symbol.asyncDispose]: async () => {
      for (const { stop } of stops.toReversed()) await stop();
      await directory.remove();
    },
  };
}

describe('the broker of a process', () => {
  it('is the embedded one, with its store, where nothing else is set', async () => {
    await using opened = await open();
    expect(opened.parts).toContain('broker');
    expect(opened.broker.connectionFor('agent', opened.settings)).toMatchObject({ kind: 'in-process' });
  });

  it('is not made, and needs no store, where mqtt.broker.url is set; services use the back side', async () => {
    await using opened = await open({ TEDGE_MQTT_BROKER_URL: 'unix:/run/other.sock' });
    expect(opened.parts).toEqual(['access rules']);
    expect(opened.broker.store).toBeUndefined();
    const connection = opened.broker.connectionFor('agent', opened.settings);
    expect(connection).toMatchObject({ kind: 'network', url: 'unix:/run/other.sock' });
  });

  it('gives the bridge in this process the rights of the access table: no topic of the services', async () => {
    await using opened = await open();
    const received: string[] = [];
    const listener = openMqttSession(opened.broker.connectionFor('mqtt-bridge', opened.settings), {
      isDurable: false,
      filters: [{ filter: '#' }],
      onMessage: ({ topic }) => void received.push(topic),
    });
    await listener.connected(5_000);
    const sender = openMqttSession(opened.broker.connectionFor('agent', opened.settings), { isDurable: false });
    for (const topic of ['sallyport/v1/event/device-changed', 'c8y/s/us']) await sender.publish(topic, 'x');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['c8y/s/us']);
    await Promise.all([listener.close(), sender.close()]);
  });

  it('is decided by settings that each service has read, so a change is known to need a restart', async () => {
    await using opened = await open();
    const read: string[] = [];
    const { settings } = opened;
    const get: Settings['get'] = (key) => {
      read.push(key);
      return settings.get(key);
    };
    opened.broker.connectionFor('agent', { ...settings, get });
    expect(read).toEqual(['mqtt.broker.url', 'mqtt.broker.socket']);
  });
});
