import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type AccessRules, EmbeddedBroker, type EmbeddedBrokerOptions } from '@sallyport/embedded-broker';
import {
  connectMqtt,
  connectRpcClient,
  type Mqtt,
  type MqttConnection,
  mqttRpcServer,
  publishEvent,
  RpcHandler,
  subscribeEvent,
} from '@sallyport/mqtt';
import { defineRpc, deviceChanged, deviceId } from '@sallyport/protocol';
import { openSqliteStore, type Store } from '@sallyport/store';
import { type ProgramResult, RawConnection, runProgram, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

interface Site extends AsyncDisposable {
  readonly broker: EmbeddedBroker;
  readonly port: number;
  readonly warnings: string[];
  /** A session of a service of this process. */
  service(clientId?: string): Promise<Mqtt>;
  /** A session over the network. */
  network(clientId?: string): Promise<Mqtt>;
  publish(topic: string, message: string, ...args: string[]): Promise<ProgramResult>;
  /** Subscribes with mosquitto_sub until so many messages came or a second passed. */
  subscribe(filter: string, count: number, ...args: string[]): Promise<ProgramResult>;
}

const echo = defineRpc({
  pattern: 'sallyport/v1/rpc/test/echo',
  request: z.strictObject({ word: z.string() }),
  response: z.strictObject({ word: z.string() }),
});

@Controller()
class EchoController {
  @RpcHandler(echo)
  echo(request: z.output<typeof echo.request>): z.input<typeof echo.response> {
    return request;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const quiet = { onFault: () => undefined };

/** A broker behind a plain TCP port, as the secure listener hands sockets over at level "plain". */
async function openSite(options: EmbeddedBrokerOptions = {}): Promise<Site> {
  const warnings: string[] = [];
  const broker = new EmbeddedBroker({ onWarning: (text) => void warnings.push(text), ...options });
  const server = createServer((socket: Duplex) => broker.accept(socket, undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const opened: Mqtt[] = [];
  const connect = async (connection: MqttConnection): Promise<Mqtt> => {
    const mqtt = await connectMqtt(connection, quiet);
    opened.push(mqtt);
    return mqtt;
  };
  const common = ['-h', '127.0.0.1', '-p', String(port), '-q', '1'];
  return {
    broker,
    port,
    warnings,
    service: (clientId = 'svc') => connect(inProcess(broker, clientId)),
    network: (clientId = 'net') => connect({ kind: 'network', url: `mqtt://127.0.0.1:${port}`, clientId }),
    publish: (topic, message, ...args) => runProgram('mosquitto_pub', [...common, '-t', topic, '-m', message, ...args]),
    subscribe: (filter, count, ...args) =>
      runProgram('mosquitto_sub', [...common, '-t', filter, '-C', String(count), '-W', '1', '-v', ...args]),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(opened.map((mqtt) => mqtt.close()));
      server.close();
      await broker.close();
    },
  };
}

function inProcess(broker: EmbeddedBroker, clientId: string): MqttConnection {
  return { kind: 'in-process', openStream: () => broker.openStream(), clientId };
}

async function collect(mqtt: Mqtt, filter: string): Promise<string[]> {
  const received: string[] = [];
  await mqtt.subscribe(filter, (topic, payload) => void received.push(`${topic} ${payload}`));
  return received;
}

describe('embedded broker', () => {
  it('carries messages between clients of the network', async () => {
    await using site = await openSite();
    await site.publish('te/device/main', 'kept', '-r');
    const { stdout } = await site.subscribe('te/#', 1);
    expect(stdout).toBe('te/device/main kept\n');
  });

  it('carries messages between a service and the network', async () => {
    await using site = await openSite();
    const received = await collect(await site.service(), 'te/+/e');
    expect((await site.publish('te/child01/e', 'hello')).exitCode).toBe(0);
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['te/child01/e hello']);
  });

  it('carries RPC between services through memory', async () => {
    await using site = await openSite();
    const strategy = mqttRpcServer(inProcess(site.broker, 'answering'));
    const service = await NestFactory.createMicroservice(EchoModule, { strategy, logger: false });
    await service.listen();
    const client = await connectRpcClient(inProcess(site.broker, 'asking'), quiet);
    expect(await client.call(echo, { word: 'hello' })).toEqual({ word: 'hello' });
    await client.close();
    await service.close();
  });

  it('serves many messages in the order they were published', async () => {
    await using site = await openSite();
    const received = await collect(await site.network('sub'), 'n');
    const publisher = await site.network('pub');
    const numbers = Array.from({ length: 500 }, (_, index) => String(index));
    await Promise.all(numbers.map((number) => publisher.publish('n', number)));
    await waitFor(() => received.length === 500);
    expect(received).toEqual(numbers.map((number) => `n ${number}`));
  });

  it('queues QoS 1 messages for a client that is away', async () => {
    await using site = await openSite();
    await site.subscribe('a', 1, '-i', 'away', '-c', '-E');
    await site.publish('a', 'meanwhile');
    const { stdout } = await site.subscribe('a', 1, '-i', 'away', '-c');
    expect(stdout).toBe('a meanwhile\n');
  });

  it('passes QoS 2 messages on once', async () => {
    await using site = await openSite();
    const received = await collect(await site.service(), 'a');
    await site.publish('a', 'once', '-q', '2');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['a once']);
  });

  it('closes the connections of its clients when it closes', async () => {
    await using site = await openSite();
    const mqtt = await site.network();
    await site.broker.close();
    await waitFor(() => !mqtt.isConnected);
  });
});

describe('topics of the services (sallyport/v1/#)', () => {
  it.each(['sallyport/v1/event/device-changed', 'sallyport/v1/rpc/x', 'sallyport/v1', '$SYS/broker/x'])(
    'refuse a publication from the network to %s',
    async (topic) => {
      await using site = await openSite();
      const received = await collect(await site.service(), 'sallyport/v1/#');
      expect((await site.publish(topic, 'forged')).exitCode).not.toBe(0);
      const mqtt = await site.service('other');
      await mqtt.publish('sallyport/v1/mark', '');
      await waitFor(() => received.length > 0);
      expect(received).toEqual(['sallyport/v1/mark ']);
      expect(site.warnings).toContain('a publication was refused');
    },
  );

  it('refuse a last will from the network', async () => {
    await using site = await openSite();
    const received = await collect(await site.service(), 'sallyport/v1/#');
    // CONNECT of client "w", clean session, with a will "x" to sallyport/v1/will at QoS 0.
    const body = Buffer.concat([
      Buffer.from('00044d51545404060000000177', 'hex'),
      ...['sallyport/v1/will', 'x'].flatMap((text) => [Buffer.from([0, text.length]), Buffer.from(text)]),
    ]);
    body.writeUInt16BE(60, 8);
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(Buffer.concat([Buffer.from([0x10, body.length]), body]));
    await waitFor(() => raw.unread.length === 4);
    raw.destroy();
    await waitFor(() => site.warnings.includes('a publication was refused'));
    expect(received).toEqual([]);
  });

  it.each(['sallyport/v1/#', 'sallyport/v1/event/device-changed', '$SYS/#', '$share/group/te/#'])(
    'refuse a subscription from the network to %s',
    async (filter) => {
      await using site = await openSite();
      const { stderr, stdout } = await site.subscribe(filter, 1);
      expect(`${stdout}${stderr}`).toContain('All subscription requests were denied.');
    },
  );

  it.each(['#', '+/v1/#', '+/+/event/+', 'sallyport/#'])('do not show through the wildcards of %s', async (filter) => {
    await using site = await openSite();
    const received = await collect(await site.network(), filter);
    const service = await site.service();
    await service.publish('sallyport/v1/event/x', 'secret', { retain: true });
    await service.publish('sallyport/mark/event/x', 'seen');
    await service.publish('x/v1/event/x', 'seen');
    await waitFor(() => received.length > 0);
    expect(received.filter((message) => message.includes('secret'))).toEqual([]);
  });

  it('do not show as retained messages or after an absence either', async () => {
    await using site = await openSite();
    await site.subscribe('#', 1, '-i', 'away', '-c', '-E');
    const service = await site.service();
    await service.publish('sallyport/v1/event/x', 'secret', { retain: true });
    await service.publish('te/x', 'seen');
    const { stdout } = await site.subscribe('#', 2, '-i', 'away', '-c');
    expect(stdout).toBe('te/x seen\n');
  });
});

describe('access rules', () => {
  const rules: AccessRules = {
    mayPublish: (_origin, topic) => topic !== 'closed/publish',
    maySubscribe: async (_origin, filter) => filter !== 'closed/subscribe',
    mayReceive: (_origin, topic) => topic !== 'closed/receive',
  };

  it('decide who may publish', async () => {
    await using site = await openSite({ rules });
    expect((await site.publish('closed/publish', 'x', '-q', '1')).exitCode).not.toBe(0);
    expect((await site.publish('open', 'x', '-q', '1')).exitCode).toBe(0);
  });

  it('decide who may subscribe, at once or later', async () => {
    await using site = await openSite({ rules });
    const mqtt = await site.network();
    await expect(mqtt.subscribe('closed/subscribe', () => undefined)).rejects.toMatchObject({ type: 'forbidden' });
    await mqtt.subscribe('open', () => undefined);
  });

  it('decide who may receive', async () => {
    await using site = await openSite({ rules });
    const received = await collect(await site.network(), '#');
    const other = await site.network('other');
    for (const topic of ['closed/receive', 'open']) await other.publish(topic, 'x');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['open x']);
  });
});

describe('client identities', () => {
  it('keep network clients off the sessions of services', async () => {
    await using site = await openSite();
    const service = await site.service('svc');
    const received = await collect(service, 'te/a');
    const stolen = 'service/svc/subscription/te/a';
    for (const id of [stolen, stolen.slice('service/'.length)]) await site.subscribe('te/b', 1, '-i', id, '-c', '-E');
    expect(service.isConnected).toBe(true);
    await site.publish('te/a', 'x');
    await waitFor(() => received.length === 1);
  });

  it('let a second connection of the same client id take over the first', async () => {
    await using site = await openSite();
    // CONNECT of client "one", clean session.
    const connect = Buffer.from('100f00044d5154540402003c00036f6e65', 'hex');
    await using first = await RawConnection.open({ port: site.port });
    first.send(connect);
    await waitFor(() => first.unread.toString('hex') === '20020000');
    await using second = await RawConnection.open({ port: site.port });
    second.send(connect);
    await first.closed();
    await waitFor(() => second.unread.toString('hex') === '20020000');
  });

  it('refuse a kept session without a client id [MQTT-3.1.3-8]', async () => {
    await using site = await openSite();
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(Buffer.from('100c00044d5154540400003c0000', 'hex'));
    await raw.closed();
    expect(raw.unread.toString('hex')).toBe('20020002');
  });

  it('refuse a client id longer than the limit', async () => {
    await using site = await openSite({ limits: { clientIdLength: 8 } });
    expect((await site.publish('a', 'x', '-i', '123456789')).stderr).toContain('identifier rejected');
  });
});

describe('broker limits', () => {
  it('end a connection that announces a packet over the limit', async () => {
    await using site = await openSite({ limits: { packetBytes: 100 } });
    const { exitCode } = await site.publish('a', 'x'.repeat(200));
    expect(exitCode).not.toBe(0);
  });

  it('end a connection that never sends CONNECT', async () => {
    await using site = await openSite({ limits: { connectMs: 50 } });
    await using raw = await RawConnection.open({ port: site.port });
    await raw.closed();
  });

  it.each(['GET / HTTP/1.1\r\n\r\n', '\0', '\x16\x03\x01\x02\x00'])('survive %j', async (bytes) => {
    await using site = await openSite({ limits: { connectMs: 50 } });
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(bytes);
    await raw.closed();
    expect((await site.publish('a', 'x')).exitCode).toBe(0);
  });

  it('survive a packet over the limit that was there before the broker took the connection', async () => {
    await using site = await openSite({ limits: { packetBytes: 100 } });
    const connection = new PassThrough();
    connection.write(Buffer.from('30ffffff7f', 'hex'));
    setImmediate(() => site.broker.accept(connection, undefined));
    await once(connection, 'close');
    await waitFor(() => site.broker.clients === 0);
  });

  it('turn clients away when the broker is full', async () => {
    await using site = await openSite({ limits: { clients: 1 } });
    await using first = await RawConnection.open({ port: site.port });
    await waitFor(() => site.broker.clients === 1);
    await using second = await RawConnection.open({ port: site.port });
    await second.closed();
    expect(first.isClosed).toBe(false);
  });

  it('refuse a topic with too many levels', async () => {
    await using site = await openSite({ limits: { topicLevels: 4 } });
    expect((await site.publish('a/b/c/d/e', 'x')).exitCode).not.toBe(0);
    expect((await site.publish('a/b/c/d', 'x')).exitCode).toBe(0);
  });

  it('refuse one subscription too many', async () => {
    await using site = await openSite({ limits: { subscriptionsPerClient: 2 } });
    const { stderr, stdout } = await site.subscribe('a', 1, '-t', 'b', '-t', 'c');
    expect(`${stdout}${stderr}`).not.toContain('All subscription requests were denied.');
    expect(site.warnings).toEqual(['a subscription was refused']);
  });

  it('keep nothing of a subscription that was refused', async () => {
    await using site = await openSite({ limits: { subscriptionsPerClient: 1 } });
    await site.subscribe('a', 1, '-t', 'b', '-i', 'away', '-c', '-E');
    for (const topic of ['a', 'b']) await site.publish(topic, 'meanwhile');
    const { stdout } = await site.subscribe('a', 2, '-i', 'away', '-c');
    expect(stdout).toBe('a meanwhile\n');
  });

  it('let a client subscribe anew to as many topics as it has left', async () => {
    await using site = await openSite({ limits: { subscriptionsPerClient: 1 } });
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT of client "one", SUBSCRIBE to "a", UNSUBSCRIBE from it, SUBSCRIBE to "b": each is granted.
    const steps = [
      ['100f00044d5154540402003c00036f6e65', '20020000'],
      ['8206000100016100', '9003000100'],
      ['a2050002000161', 'b0020002'],
      ['8206000300016200', '9003000300'],
    ] as const;
    for (const [packet, answer] of steps) {
      raw.send(Buffer.from(packet, 'hex'));
      await waitFor(() => raw.unread.toString('hex').endsWith(answer));
    }
  });

  it('take a SUBSCRIBE packet with a hundred thousand filters in good time', async () => {
    await using site = await openSite();
    const filters = Array.from({ length: 100_000 }, (_, index) => {
      const filter = Buffer.from(index.toString(36));
      return Buffer.concat([Buffer.from([0, filter.length]), filter, Buffer.from([1])]);
    });
    const body = Buffer.concat([Buffer.from([0, 1]), ...filters]);
    const length = [(body.length & 0x7f) | 0x80, ((body.length >> 7) & 0x7f) | 0x80, body.length >> 14];
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT of client "one" with a session to be kept.
    raw.send(Buffer.from('100f00044d5154540400003c00036f6e65', 'hex'));
    raw.send(Buffer.concat([Buffer.from([0x82, ...length]), body]));
    await waitFor(() => raw.unread.length > 100_000);
    expect(site.warnings).toEqual(['a subscription was refused']);
  });

  it('drop the newest message for a client that is away and whose queue is full', async () => {
    await using site = await openSite({ limits: { queuedMessages: 2 } });
    await site.subscribe('a', 1, '-i', 'away', '-c', '-E');
    for (const message of ['1', '2', '3', '4', '5']) await site.publish('a', message);
    const { stdout } = await site.subscribe('a', 3, '-i', 'away', '-c');
    expect(stdout).toBe('a 1\na 2\n');
    // Once, not for each message.
    expect(site.warnings).toEqual(['a message was not kept, its session is full']);
  });

  it('bound what waits in the queues of all clients together', async () => {
    await using site = await openSite({ limits: { queuedBytes: 5_000, queuedBytesInAll: 7_000 } });
    const away = (id: string) => ['-i', id, '-c', '-E'];
    for (const id of ['one', 'two']) await site.subscribe(id, 1, ...away(id));
    for (const topic of ['one', 'two']) await site.publish(topic, 'x'.repeat(4_000));
    expect((await site.subscribe('two', 1, '-i', 'two', '-c')).stdout).toBe('');
    expect(site.warnings).toEqual(['a message was not kept, its session is full']);
    // A session that ends gives its part back.
    await site.subscribe('one', 1, '-i', 'one', '-E');
    await site.publish('two', 'x'.repeat(4_000));
    expect((await site.subscribe('two', 1, '-i', 'two', '-c')).stdout).toContain('two xxx');
  });

  it('deliver to a client that is there although its queue is full', async () => {
    await using site = await openSite({ limits: { queuedMessages: 1 } });
    const received = await collect(await site.network('sub'), 'n');
    const publisher = await site.network('pub');
    await Promise.all(Array.from({ length: 50 }, (_, number) => publisher.publish('n', String(number))));
    await waitFor(() => received.length === 50);
  });

  it('keep no more sessions than allowed', async () => {
    await using site = await openSite({ limits: { sessions: 1 } });
    await site.subscribe('a', 1, '-i', 'first', '-c', '-E');
    const { exitCode } = await site.subscribe('a', 1, '-i', 'second', '-c', '-E');
    expect(exitCode).not.toBe(0);
  });

  it('cut a client that reads nothing, and serve the others meanwhile', async () => {
    await using site = await openSite({ limits: { drainMs: 300 } });
    const received = await collect(await site.network('reading'), 'flood');
    await using frozen = await RawConnection.open({ port: site.port });
    // CONNECT of client "one"; SUBSCRIBE to "flood" at QoS 0.
    frozen.send(Buffer.from('100f00044d5154540402003c00036f6e65', 'hex'));
    frozen.send(Buffer.from('820a00010005666c6f6f6400', 'hex'));
    await waitFor(() => frozen.unread.toString('hex') === '200200009003000100');
    frozen.socket.pause();
    const publisher = await site.network('publishing');
    const messages = Array.from({ length: 40 }, (_, index) => String(index).padEnd(500_000, '.'));
    for (const message of messages) await publisher.publish('flood', message);
    await waitFor(() => received.length === 40);
    // A session to publish each, and one to subscribe.
    await waitFor(() => site.broker.clients === 3);
    expect(received.map((message) => Number.parseInt(message.slice('flood '.length), 10))).toEqual([
      ...messages.keys(),
    ]);
  });

  it('let everybody publish at QoS 2, whoever leaves handshakes unfinished', async () => {
    await using site = await openSite({ limits: { sessions: 1 } });
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT of client "one" with a session to be kept; PUBLISH "x" to "a" at QoS 2, and no PUBREL.
    raw.send(Buffer.from('100f00044d5154540400003c00036f6e65', 'hex'));
    raw.send(Buffer.from('3406000161000178', 'hex'));
    await waitFor(() => raw.unread.toString('hex') === '2002000050020001');
    expect((await site.publish('a', 'x', '-q', '2')).exitCode).toBe(0);
  });

  it('keep no more retained messages than allowed', async () => {
    await using site = await openSite({ limits: { retainedMessages: 1 } });
    await site.publish('a', '1', '-r');
    for (const topic of ['b', 'a', 'c']) await site.publish(topic, '3', '-r');
    expect((await site.subscribe('#', 2)).stdout).toBe('a 3\n');
    expect(site.warnings).toEqual(['a retained message was not kept, the broker is full of them']);
  });
});

describe('broker that was restarted', () => {
  const change = (id: string) => ({
    deviceId: deviceId.parse(id),
    state: 'revoked' as const,
    fingerprints: [],
    changedAt: '2026-11-21T10:00:00Z',
  });

  interface Installation extends AsyncDisposable {
    readonly store: Store;
    /** A broker on the store. The one before it is left as a crash leaves it: it writes nothing more. */
    start(): EmbeddedBroker;
    connect(broker: EmbeddedBroker, clientId: string): Promise<Mqtt>;
  }

  async function install(): Promise<Installation> {
    const directory = temporaryDirectory();
    const store = await openSqliteStore({ file: directory.file('store.db') });
    const closers: (() => Promise<void>)[] = [];
    return {
      store,
      start: () => {
        const broker = new EmbeddedBroker({ store, onWarning: () => undefined });
        closers.push(() => broker.close());
        return broker;
      },
      connect: async (broker, clientId) => {
        const mqtt = await connectMqtt(inProcess(broker, clientId), quiet);
        closers.push(() => mqtt.close());
        return mqtt;
      },
      [Symbol.asyncDispose]: async () => {
        for (const close of closers.reverse()) await close();
        await store.close();
        await directory.remove();
      },
    };
  }

  async function devicesSeen(mqtt: Mqtt): Promise<string[]> {
    const seen: string[] = [];
    await subscribeEvent(mqtt, deviceChanged, async (event) => void seen.push(event.deviceId));
    return seen;
  }

  it('delivers the events a service had not handled, before those that came since', async () => {
    await using site = await install();
    const before = site.start();
    const never = new Promise<void>(() => undefined);
    await subscribeEvent(await site.connect(before, 'signer'), deviceChanged, () => never);
    await publishEvent(await site.connect(before, 'registry'), deviceChanged, change('child01'));
    const after = site.start();
    await publishEvent(await site.connect(after, 'registry'), deviceChanged, change('child02'));
    const seen = await devicesSeen(await site.connect(after, 'signer'));
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['child01', 'child02']);
  });

  it('does not deliver what was handled', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'svc');
    await devicesSeen(mqtt);
    await publishEvent(mqtt, deviceChanged, change('child01'));
    await waitFor(async () => (await site.store.list('event/')).entries.length === 0);
    const again = await site.connect(site.start(), 'svc');
    const seen = await devicesSeen(again);
    await publishEvent(again, deviceChanged, change('child02'));
    await waitFor(() => seen.length > 0);
    expect(seen).toEqual(['child02']);
  });

  it('keeps an event until the last of its subscribers has handled it', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'first');
    const seen = await devicesSeen(mqtt);
    const second = await site.connect(site.start(), 'second');
    await devicesSeen(second);
    const third = site.start();
    await publishEvent(await site.connect(third, 'registry'), deviceChanged, change('child01'));
    await devicesSeen(await site.connect(third, 'first'));
    expect((await site.store.list('event/')).entries).toHaveLength(1);
    await devicesSeen(await site.connect(third, 'second'));
    await waitFor(async () => (await site.store.list('event/')).entries.length === 0);
    expect(seen).toEqual([]);
  });

  it('still has its retained messages', async () => {
    await using installation = await install();
    {
      await using site = await openSite({ store: installation.store });
      await site.publish('te/main', 'v1', '-r');
      await site.publish('te/gone', 'v1', '-r');
      await site.publish('te/gone', '', '-r');
    }
    await using again = await openSite({ store: installation.store });
    expect((await again.subscribe('te/#', 2)).stdout).toBe('te/main v1\n');
  });

  it('does not acknowledge an event it could not write down', async () => {
    await using site = await install();
    const mqtt = await site.connect(site.start(), 'svc');
    await devicesSeen(mqtt);
    await site.store.close();
    const publishing = mqtt.publish(deviceChanged.topic, JSON.stringify(change('child01')), { deadlineMs: 300 });
    await expect(publishing).rejects.toMatchObject({ type: 'unavailable' });
  });
});
