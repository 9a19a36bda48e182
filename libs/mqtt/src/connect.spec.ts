import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { mustRun, spawnMosquitto, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { connectMqtt, type MqttOptions } from './connect.js';
import type { Mqtt, MqttConnection } from './port.js';

const quiet: MqttOptions = { onFault: () => undefined };

function connection(url: string, clientId = 'test'): MqttConnection {
  return { kind: 'network', url, clientId };
}

/** Mosquitto that is given back its port after a stop, as a restarted service is. */
async function restarted(port: number) {
  return spawnMosquitto({ port });
}

async function collect(mqtt: Mqtt, filter: string): Promise<string[]> {
  const received: string[] = [];
  await mqtt.subscribe(filter, (topic, payload) => void received.push(`${topic} ${payload}`));
  return received;
}

describe('MQTT connection', () => {
  it('delivers a message to a subscriber', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const received = await collect(mqtt, 'te/+/status');
    await mqtt.publish('te/child01/status', 'up');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['te/child01/status up']);
    await mqtt.close();
  });

  it('keeps no table of all 65,536 packet ids in memory', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await mqtt.publish('a', 'x');
    await mqtt.close();
    // The table of the codec that MQTT.js itself uses.
    const codec = createRequire(createRequire(import.meta.url).resolve('mqtt')).resolve('mqtt-packet');
    const { cache } = createRequire(codec)('./numbers.js');
    expect(Object.keys(cache)).toEqual([]);
  });

  it('hands over bytes as they are', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const received: Buffer[] = [];
    await mqtt.subscribe('bytes', (_topic, payload) => void received.push(payload));
    await mqtt.publish('bytes', Buffer.from('fffe00c328', 'hex'));
    await waitFor(() => received.length > 0);
    expect(received[0]?.toString('hex')).toBe('fffe00c328');
    await mqtt.close();
  });

  it('gives the broker the user name and password it asks for', async () => {
    await using directory = temporaryDirectory();
    const passwords = directory.file('passwords');
    await mustRun('mosquitto_passwd', ['-c', '-b', passwords, 'agent', 'open sesame']);
    await using broker = await spawnMosquitto({ config: ['allow_anonymous false', `password_file ${passwords}`] });
    const credentials = async () => ({ username: 'agent', password: 'open sesame' });
    const mqtt = await connectMqtt({ kind: 'network', url: broker.url, clientId: 'test', credentials }, quiet);
    const received = await collect(mqtt, 'a');
    await mqtt.publish('a', 'x');
    await waitFor(() => received.length > 0);
    await mqtt.close();
  });

  it('delivers a retained message to a later subscriber', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await mqtt.publish('config', 'v1', { retain: true });
    const received = await collect(mqtt, 'config');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['config v1']);
    await mqtt.close();
  });

  it('delivers what was published at QoS 0', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const received = await collect(mqtt, 'a');
    await mqtt.publish('a', 'x', { qos: 0 });
    await waitFor(() => received.length > 0);
    await mqtt.close();
  });

  it('stops delivering after unsubscribing', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const received: string[] = [];
    const subscription = await mqtt.subscribe('a', (_topic, payload) => void received.push(String(payload)));
    const marks = await collect(mqtt, 'mark');
    await mqtt.publish('a', 'first');
    await waitFor(() => received.length === 1);
    await subscription.unsubscribe();
    await mqtt.publish('a', 'second');
    await mqtt.publish('mark', '');
    await waitFor(() => marks.length === 1);
    expect(received).toEqual(['first']);
    await mqtt.close();
  });

  it('is not connected after close, and refuses to publish', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await mqtt.close();
    expect(mqtt.isConnected).toBe(false);
    await expect(mqtt.publish('a', 'x')).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('gives up waiting for a broker when the service stops', async () => {
    const stop = new AbortController();
    const faults: Error[] = [];
    const onFault = (fault: Error): void => {
      faults.push(fault);
      stop.abort();
    };
    const connecting = connectMqtt(connection('mqtt://127.0.0.1:1'), { signal: stop.signal, onFault });
    await expect(connecting).rejects.toMatchObject({ type: 'unavailable', message: 'The service is stopping.' });
    expect(faults[0]?.message).toContain('ECONNREFUSED');
  });

  it('refuses an address that is no MQTT address', async () => {
    const connecting = connectMqtt(connection('https://127.0.0.1:1'), quiet);
    await expect(connecting).rejects.toMatchObject({ type: 'config-invalid' });
  });
});

describe('MQTT reconnection', () => {
  it('publishes and receives again after the broker came back', async () => {
    const broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const received = await collect(mqtt, 'a');
    await broker.kill();
    await waitFor(() => !mqtt.isConnected);
    await using _again = await restarted(broker.port);
    await waitFor(() => mqtt.isConnected);
    await mqtt.publish('a', 'after');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['a after']);
    await mqtt.close();
  });

  it('sends what was to be published while the broker was away', async () => {
    const broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await broker.kill();
    const publication = mqtt.publish('a', 'meanwhile', { retain: true });
    await using again = await restarted(broker.port);
    await publication;
    const later = await connectMqtt(connection(again.url, 'later'), quiet);
    const received = await collect(later, 'a');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['a meanwhile']);
    await Promise.all([mqtt.close(), later.close()]);
  });

  it('tells once when everything is connected again', async () => {
    const broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await collect(mqtt, 'a');
    await collect(mqtt, 'b');
    let times = 0;
    mqtt.onReconnect(() => {
      times++;
    });
    await broker.kill();
    await waitFor(() => !mqtt.isConnected);
    await using _again = await restarted(broker.port);
    await waitFor(() => mqtt.isConnected);
    expect(times).toBe(1);
    await mqtt.close();
  });

  it('keeps a publication waiting for the broker until its deadline', async () => {
    const broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    await broker.kill();
    await expect(mqtt.publish('a', 'x', { deadlineMs: 50 })).rejects.toMatchObject({
      type: 'unavailable',
      message: 'The MQTT broker did not acknowledge a message to a within 50 ms.',
    });
    await mqtt.close();
  });

  it('receives what was published while it was away', async () => {
    await using broker = await spawnMosquitto();
    const [publisher, subscriber] = [connection(broker.url, 'publisher'), connection(broker.url, 'subscriber')];
    const before = await connectMqtt(subscriber, quiet);
    await before.subscribe('a', () => undefined);
    await before.close();
    const other = await connectMqtt(publisher, quiet);
    await other.publish('a', 'meanwhile');
    await other.close();
    const after = await connectMqtt(subscriber, quiet);
    const received = await collect(after, 'a');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['a meanwhile']);
    await after.close();
  });
});

describe('MQTT delivery to handlers', () => {
  it('calls a handler for one message at a time, in order', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const log: string[] = [];
    await mqtt.subscribe('n', async (_topic, payload) => {
      log.push(`begin ${payload}`);
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`end ${payload}`);
    });
    await Promise.all(['1', '2', '3'].map((n) => mqtt.publish('n', n)));
    await waitFor(() => log.length === 6);
    expect(log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
    await mqtt.close();
  });

  it('lets no slow handler hold up another subscription', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    await mqtt.subscribe('slow', () => slow);
    const received = await collect(mqtt, 'quick');
    await mqtt.publish('slow', 'x');
    await mqtt.publish('quick', 'x');
    await waitFor(() => received.length > 0);
    release();
    await mqtt.close();
  });

  it('delivers a message again when its handler failed, before the next one', async () => {
    await using broker = await spawnMosquitto();
    const faults: string[] = [];
    const mqtt = await connectMqtt(connection(broker.url), { onFault: (fault) => void faults.push(fault.message) });
    const log: string[] = [];
    await mqtt.subscribe('n', (_topic, payload) => {
      log.push(String(payload));
      if (log.length === 1) throw new Error('store is down');
    });
    await mqtt.publish('n', '1');
    await mqtt.publish('n', '2');
    await waitFor(() => log.includes('2'));
    expect(log).toEqual(['1', '1', '2']);
    expect(faults).toEqual(['a message to n could not be handled and will be delivered again']);
    await mqtt.close();
  });

  it('delivers each message to every subscription of one filter', async () => {
    await using broker = await spawnMosquitto();
    const mqtt = await connectMqtt(connection(broker.url), quiet);
    const [first, second] = [await collect(mqtt, 'a'), await collect(mqtt, 'a')];
    await mqtt.publish('a', 'x');
    await waitFor(() => first.length + second.length === 2);
    expect([first, second]).toEqual([['a x'], ['a x']]);
    await mqtt.close();
  });
});

describe('MQTT over TLS', () => {
  it('uses the certificate of the day at each connection', async () => {
    await using ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    const tls = { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath };
    const broker = await spawnMosquitto({ tls, requireCertificate: true, config: ['log_type all', 'log_dest stderr'] });
    let client = await ca.issue({ commonName: 'first' });
    const material = async () => ({
      ca: [ca.certPem],
      cert: await readFile(client.certPath, 'utf8'),
      key: client.keyPem,
    });
    const mqtt = await connectMqtt({ kind: 'network', url: broker.url, tls: material, clientId: 'test' }, quiet);
    await waitFor(() => broker.output().includes("u'first'"));
    client = await ca.issue({ commonName: 'renewed' });
    await broker.kill();
    await using again = await spawnMosquitto({
      tls,
      requireCertificate: true,
      port: broker.port,
      config: ['log_type all', 'log_dest stderr'],
    });
    await waitFor(() => again.output().includes("u'renewed'"));
    await mqtt.close();
  });

  it('does not talk to a broker whose certificate another CA issued', async () => {
    await using ca = await TestCa.create();
    await using otherCa = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ subjectAltNames: ['DNS:localhost'] });
    await using broker = await spawnMosquitto({ tls: { certPath, keyPath } });
    const stop = new AbortController();
    const faults: unknown[] = [];
    const onFault = (fault: Error): void => {
      faults.push('code' in fault && fault.code);
      stop.abort();
    };
    const tls = async () => ({ ca: [otherCa.certPem] });
    const options = { signal: stop.signal, onFault };
    const connecting = connectMqtt({ kind: 'network', url: broker.url, tls, clientId: 'test' }, options);
    await expect(connecting).rejects.toMatchObject({ type: 'unavailable' });
    expect(faults).toEqual(['UNABLE_TO_VERIFY_LEAF_SIGNATURE']);
  });
});
