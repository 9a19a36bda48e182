import { writeFile } from 'node:fs/promises';
import { type AccessRules, tableRules } from '@sallyport/embedded-broker';
import { TestBroker } from '@sallyport/embedded-broker/testing';
import { MqttAccess } from '@sallyport/protocol';
import { spawnMosquitto, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { openMqttSession } from './connect.js';
import type { MqttMessage, MqttSession, MqttSessionOptions, SessionStart } from './mqtt-session.js';
import type { MqttConnection } from './port.js';

interface Site extends AsyncDisposable {
  connection(clientId: string): MqttConnection;
  /** A session of this client id, connected. */
  session(clientId: string, options?: Partial<MqttSessionOptions>): Promise<MqttSession>;
  /** What comes to the filter from now on. */
  listen(filter: string): Promise<MqttMessage[]>;
}

const quiet = { isDurable: false, onFault: () => undefined };

function siteOn(connection: (clientId: string) => MqttConnection, close: () => Promise<void>): Site {
  const sessions: MqttSession[] = [];
  const session: Site['session'] = async (clientId, options) => {
    const opened = openMqttSession(connection(clientId), { ...quiet, ...options });
    sessions.push(opened);
    await opened.connected(10_000);
    return opened;
  };
  const listen: Site['listen'] = async (filter) => {
    const messages: MqttMessage[] = [];
    await session(`listener of ${filter.length}`, {
      filters: [{ filter }],
      onMessage: (message) => void messages.push(message),
    });
    return messages;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(sessions.map((each) => each.close()));
    await close();
  };
  return { connection, session, listen, [Symbol.asyncDispose]: dispose };
}

async function embeddedSite(rules: Partial<AccessRules> = {}): Promise<Site> {
  const broker = await TestBroker.start({ rules: { ...tableRules(new MqttAccess()), ...rules } });
  return siteOn(
    (clientId) => broker.connection(clientId),
    () => broker.close(),
  );
}

async function mosquittoSite(config: string[] = []): Promise<Site> {
  const broker = await spawnMosquitto({ config });
  return siteOn(
    (clientId) => ({ kind: 'network', url: broker.url, clientId }),
    () => broker.stop(),
  );
}

describe.each([
  ['the embedded broker', () => embeddedSite()],
  ['Mosquitto', () => mosquittoSite()],
])('an MQTT session on %s', (_broker, open) => {
  it('says whether a message was kept from before', async () => {
    await using site = await open();
    const publisher = await site.session('publisher');
    await publisher.publish('a', 'kept', { retain: true });
    const messages = await site.listen('a');
    await waitFor(() => messages.length === 1);
    await publisher.publish('a', 'live');
    await waitFor(() => messages.length === 2);
    expect(messages.map(({ payload, isRetained }) => [String(payload), isRetained])).toEqual([
      ['kept', true],
      ['live', false],
    ]);
  });

  it('subscribes each filter with its own QoS', async () => {
    await using site = await open();
    const messages: MqttMessage[] = [];
    const filters = [
      { filter: 'zero', qos: 0 },
      { filter: 'one', qos: 1 },
    ] as const;
    const session = await site.session('test', { filters, onMessage: (message) => void messages.push(message) });
    for (const topic of ['zero', 'one']) await session.publish(topic, 'x');
    await waitFor(() => messages.length === 2);
    expect(messages.map(({ topic, qos }) => [topic, qos])).toEqual([
      ['zero', 0],
      ['one', 1],
    ]);
  });

  it('has its will published when it is suspended, and not when it is closed', async () => {
    await using site = await open();
    const messages = await site.listen('status/+');
    const will = (topic: string) => ({ will: { topic, payload: 'down', retain: true } });
    const closed = await site.session('closed', will('status/closed'));
    const suspended = await site.session('suspended', will('status/suspended'));
    await closed.close();
    suspended.suspend();
    await waitFor(() => messages.length > 0);
    const marker = await site.session('marker');
    await marker.publish('status/mark', '');
    await waitFor(() => messages.some(({ topic }) => topic === 'status/mark'));
    expect(messages.map(({ topic }) => topic)).toEqual(['status/suspended', 'status/mark']);
  });

  it('stays away while it is suspended, and then takes up its session with what was kept for it', async () => {
    await using site = await open();
    const [messages, starts]: [string[], SessionStart[]] = [[], []];
    const session = await site.session('test', {
      isDurable: true,
      filters: [{ filter: 'a' }],
      onMessage: ({ payload }) => void messages.push(String(payload)),
      onConnected: (start) => void starts.push(start),
    });
    const publisher = await site.session('publisher');
    session.suspend();
    await waitFor(() => !session.isConnected);
    await publisher.publish('a', 'meanwhile');
    await expect(session.connected(700)).rejects.toMatchObject({ type: 'unavailable' });
    expect(messages).toEqual([]);
    session.resume();
    await waitFor(() => messages.length > 0 && session.isConnected);
    expect([messages, starts.map(({ isResumed }) => isResumed)]).toEqual([['meanwhile'], [false, true]]);
  });

  it('adds and removes filters, also for the connections to come', async () => {
    await using site = await open();
    const messages: string[] = [];
    const session = await site.session('test', {
      filters: [{ filter: 'first' }],
      onMessage: ({ topic }) => void messages.push(topic),
    });
    await session.subscribe({ filter: 'second' });
    await session.unsubscribe('first');
    session.suspend();
    session.resume();
    await waitFor(() => !session.isConnected);
    await session.connected(10_000);
    for (const topic of ['first', 'second']) await session.publish(topic, 'x');
    await waitFor(() => messages.length > 0);
    expect(messages).toEqual(['second']);
  });
});

describe('an MQTT session', () => {
  it('has exactly the client id it is given, so that the other side knows it', async () => {
    const names: string[] = [];
    const maySubscribe: AccessRules['maySubscribe'] = (_origin, _filter, session) => {
      names.push(session);
      return true;
    };
    await using site = await embeddedSite({ maySubscribe });
    await site.session('gateway-01', { filters: [{ filter: 'a' }] });
    expect(names).toEqual(['service/gateway-01']);
  });

  it('does not add a filter that the broker refuses', async () => {
    await using site = await embeddedSite({ maySubscribe: (_origin, filter) => filter !== 'closed' });
    const session = await site.session('test');
    await expect(session.subscribe({ filter: 'closed' })).rejects.toMatchObject({ type: 'forbidden' });
    session.suspend();
    session.resume();
    await waitFor(() => !session.isConnected);
    await session.connected(10_000);
  });

  it('says why it is not connected, and goes on trying', async () => {
    const broker = await TestBroker.start();
    const isAway = { value: true };
    const openStream = () => {
      if (isAway.value) throw new Error('the line is cut');
      return broker.broker.openStream();
    };
    const session = openMqttSession({ kind: 'in-process', clientId: 'test', openStream }, quiet);
    await expect(session.connected(50)).rejects.toMatchObject({
      type: 'unavailable',
      message: 'Cannot reach the MQTT broker: the line is cut. Check that it runs and its address.',
    });
    isAway.value = false;
    await session.connected(10_000);
    await session.close();
    await broker.close();
  });

  it('gives a publication up when its signal fires', async () => {
    await using site = await embeddedSite();
    const session = await site.session('test');
    session.suspend();
    await waitFor(() => !session.isConnected);
    const abort = new AbortController();
    const publishing = session.publish('a', 'x', { signal: abort.signal });
    abort.abort(new Error('the service is stopping'));
    await expect(publishing).rejects.toThrow('the service is stopping');
  });
});

describe('an MQTT 5 session', () => {
  const version5 = { protocolVersion: 5 } as const;

  it('carries the properties of a message', async () => {
    await using site = await mosquittoSite();
    const messages: MqttMessage[] = [];
    const onMessage = (message: MqttMessage): void => void messages.push(message);
    const session = await site.session('test', { ...version5, filters: [{ filter: 'a' }], onMessage });
    const properties = {
      contentType: 'application/cbor',
      responseTopic: 'reply',
      correlationData: Buffer.from([1, 2]),
      isText: true,
      userProperties: { hops: '1', tag: ['x', 'y'] },
    };
    await session.publish('a', 'x', { properties: { ...properties, expirySeconds: 60 } });
    await waitFor(() => messages.length > 0);
    expect(messages[0]?.properties).toMatchObject(properties);
    expect(messages[0]?.properties?.expirySeconds).toBeGreaterThan(50);
  });

  it('hears nothing of its own, and the retain flag as it was set, when it asks for that', async () => {
    await using site = await mosquittoSite();
    const messages: MqttMessage[] = [];
    const filters = [{ filter: '#', isNoLocal: true, keepsRetainFlag: true }];
    const onMessage = (message: MqttMessage): void => void messages.push(message);
    const session = await site.session('test', { ...version5, filters, onMessage });
    await session.publish('a', 'own');
    const other = await site.session('other', version5);
    await other.publish('a', 'kept', { retain: true });
    await waitFor(() => messages.length > 0);
    expect(messages.map(({ payload, isRetained }) => [String(payload), isRetained])).toEqual([['kept', true]]);
  });

  it('gets no kept messages when it wants none', async () => {
    await using site = await mosquittoSite();
    const messages: string[] = [];
    const publisher = await site.session('publisher', version5);
    await publisher.publish('a', 'kept', { retain: true });
    await site.session('test', {
      ...version5,
      filters: [{ filter: 'a', retainedMessages: 'never' }],
      onMessage: ({ payload }) => void messages.push(String(payload)),
    });
    await publisher.publish('a', 'live');
    await waitFor(() => messages.length > 0);
    expect(messages).toEqual(['live']);
  });

  it('has its session kept by the broker', async () => {
    await using site = await mosquittoSite();
    const messages: string[] = [];
    const options = {
      ...version5,
      isDurable: true,
      filters: [{ filter: 'a' }],
      onMessage: ({ payload }: MqttMessage): void => void messages.push(String(payload)),
    };
    await (await site.session('test', options)).close();
    await (await site.session('publisher')).publish('a', 'meanwhile');
    await site.session('test', options);
    await waitFor(() => messages.length > 0);
    expect(messages).toEqual(['meanwhile']);
  });

  it('learns why the broker refused a message', async () => {
    await using directory = temporaryDirectory();
    const aclFile = directory.file('acl');
    await writeFile(aclFile, 'topic readwrite open/#\n');
    await using site = await mosquittoSite([`acl_file ${aclFile}`]);
    const session = await site.session('test', version5);
    await session.publish('open/a', 'x');
    // MQTT 5.0 §3.4.2.1: not authorized.
    await expect(session.publish('closed', 'x')).rejects.toMatchObject({ name: 'PublishRefused', reasonCode: 0x87 });
  });
});
