import { type AccessRules } from '@sallyport/embedded-broker';
import { RawConnection, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { collect, openBrokerSite } from './broker-site.fixture.js';

describe('topics of the services (sallyport/v1/#)', () => {
  it.each(['sallyport/v1/event/device-changed', 'sallyport/v1/rpc/x', 'sallyport/v1'])(
    'refuse a publication from the network to %s',
    async (topic) => {
      await using site = await openBrokerSite();
      const received = await collect(await site.service(), 'sallyport/v1/#');
      expect((await site.publish(topic, 'forged')).exitCode).not.toBe(0);
      const mqtt = await site.service('other');
      await mqtt.publish('sallyport/v1/mark', '');
      await waitFor(() => received.length > 0);
      expect(received).toEqual(['sallyport/v1/mark ']);
      expect(site.warnings).toContain('a publication was refused');
    },
  );

  it('take a publication to a topic of brokers ($...) without passing it on: clients mean no harm with it', async () => {
    await using site = await openBrokerSite();
    const received = await collect(await site.service(), '#');
    expect((await site.publish('$SYS/broker/x', 'forged')).exitCode).toBe(0);
    await site.publish('mark', '');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['mark ']);
    expect(site.warnings).toEqual(['a publication was refused']);
  });

  it('refuse a last will from the network', async () => {
    await using site = await openBrokerSite();
    const received = await collect(await site.service(), 'sallyport/v1/#');
    // CONNECT of client "w", clean session, with a will "x" to sallyport/v1/will at QoS 0.
    const body = Buffer.concat([
      Buffer.from('00044d51545404060000000177', 'hex'),
      ...['sallyport/v1/will', 'x'].flatMap((text) => [Buffer.from([0, text.length]), Buffer.from(text)]),
    ]);
    body.writeUInt16BE(60, 8);
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(Buffer.concat([Buffer.from([0x10, body.length]), body]));
    await raw.closed();
    expect(raw.unread.toString('hex')).toBe('20020005');
    expect(site.warnings).toEqual(['a client was refused']);
    expect(received).toEqual([]);
  });

  it.each(['sallyport/v1/#', 'sallyport/v1/event/device-changed', '$SYS/#', '$share/group/sallyport/v1/#'])(
    'refuse a subscription from the network to %s',
    async (filter) => {
      await using site = await openBrokerSite();
      const { stderr, stdout } = await site.subscribe(filter, 1);
      expect(`${stdout}${stderr}`).toContain('All subscription requests were denied.');
    },
  );

  it.each(['#', '+/v1/#', '+/+/event/+', 'sallyport/#'])('do not show through the wildcards of %s', async (filter) => {
    await using site = await openBrokerSite();
    const received = await collect(await site.network(), filter);
    const service = await site.service();
    await service.publish('sallyport/v1/event/x', 'secret', { retain: true });
    await service.publish('sallyport/mark/event/x', 'seen');
    await service.publish('x/v1/event/x', 'seen');
    await waitFor(() => received.length > 0);
    expect(received.filter((message) => message.includes('secret'))).toEqual([]);
  });

  it('do not show as retained messages or after an absence either', async () => {
    await using site = await openBrokerSite();
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
    await using site = await openBrokerSite({ rules });
    expect((await site.publish('closed/publish', 'x', '-q', '1')).exitCode).not.toBe(0);
    expect((await site.publish('open', 'x', '-q', '1')).exitCode).toBe(0);
  });

  it('decide who may subscribe, at once or later', async () => {
    await using site = await openBrokerSite({ rules });
    const mqtt = await site.network();
    await expect(mqtt.subscribe('closed/subscribe', () => undefined)).rejects.toMatchObject({ type: 'forbidden' });
    await mqtt.subscribe('open', () => undefined);
  });

  it('decide who may receive', async () => {
    await using site = await openBrokerSite({ rules });
    const received = await collect(await site.network(), '#');
    const other = await site.network('other');
    for (const topic of ['closed/receive', 'open']) await other.publish(topic, 'x');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['open x']);
  });
});

describe('client identities', () => {
  it('keep network clients off the sessions of services', async () => {
    await using site = await openBrokerSite();
    const service = await site.service('svc');
    const received = await collect(service, 'te/a');
    const stolen = 'service/svc/subscription/te/a';
    for (const id of [stolen, stolen.slice('service/'.length)]) await site.subscribe('te/b', 1, '-i', id, '-c', '-E');
    expect(service.isConnected).toBe(true);
    await site.publish('te/a', 'x');
    await waitFor(() => received.length === 1);
  });

  it('let a second connection of the same client id take over the first', async () => {
    await using site = await openBrokerSite();
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
    await using site = await openBrokerSite();
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(Buffer.from('100c00044d5154540400003c0000', 'hex'));
    await raw.closed();
    expect(raw.unread.toString('hex')).toBe('20020002');
  });

  it('refuse a client id longer than the limit', async () => {
    await using site = await openBrokerSite({ limits: { clientIdLength: 8 } });
    expect((await site.publish('a', 'x', '-i', '123456789')).stderr).toContain('identifier rejected');
  });
});
