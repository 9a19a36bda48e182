import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { RawConnection, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { collect, openBrokerSite } from './broker-site.fixture.js';

describe('broker limits', () => {
  it('end a connection that announces a packet over the limit', async () => {
    await using site = await openBrokerSite({ limits: { packetBytes: 100 } });
    const { exitCode } = await site.publish('a', 'x'.repeat(200));
    expect(exitCode).not.toBe(0);
  });

  it('end a connection that never sends CONNECT', async () => {
    await using site = await openBrokerSite({ limits: { connectMs: 50 } });
    await using raw = await RawConnection.open({ port: site.port });
    await raw.closed();
  });

  it.each(['GET / HTTP/1.1\r\n\r\n', '\0', '\x16\x03\x01\x02\x00'])('survive %j', async (bytes) => {
    await using site = await openBrokerSite({ limits: { connectMs: 50 } });
    await using raw = await RawConnection.open({ port: site.port });
    raw.send(bytes);
    await raw.closed();
    expect((await site.publish('a', 'x')).exitCode).toBe(0);
  });

  it('survive a packet over the limit that was there before the broker took the connection', async () => {
    await using site = await openBrokerSite({ limits: { packetBytes: 100 } });
    const connection = new PassThrough();
    connection.write(Buffer.from('30ffffff7f', 'hex'));
    setImmediate(() => site.broker.accept(connection, undefined));
    await once(connection, 'close');
    await waitFor(() => site.broker.clients === 0);
  });

  it('turn clients away when the broker is full', async () => {
    await using site = await openBrokerSite({ limits: { clients: 1 } });
    await using first = await RawConnection.open({ port: site.port });
    await waitFor(() => site.broker.clients === 1);
    await using second = await RawConnection.open({ port: site.port });
    await second.closed();
    expect(first.isClosed).toBe(false);
  });

  it('refuse a topic with too many levels', async () => {
    await using site = await openBrokerSite({ limits: { topicLevels: 4 } });
    expect((await site.publish('a/b/c/d/e', 'x')).exitCode).not.toBe(0);
    expect((await site.publish('a/b/c/d', 'x')).exitCode).toBe(0);
  });

  it('refuse one subscription too many', async () => {
    await using site = await openBrokerSite({ limits: { subscriptionsPerClient: 2 } });
    const { stderr, stdout } = await site.subscribe('a', 1, '-t', 'b', '-t', 'c');
    expect(`${stdout}${stderr}`).not.toContain('All subscription requests were denied.');
    expect(site.warnings).toEqual(['a subscription was refused']);
  });

  it('keep nothing of a subscription that was refused', async () => {
    await using site = await openBrokerSite({ limits: { subscriptionsPerClient: 1 } });
    await site.subscribe('a', 1, '-t', 'b', '-i', 'away', '-c', '-E');
    for (const topic of ['a', 'b']) await site.publish(topic, 'meanwhile');
    const { stdout } = await site.subscribe('a', 2, '-i', 'away', '-c');
    expect(stdout).toBe('a meanwhile\n');
  });

  it('let a client subscribe anew to as many topics as it has left', async () => {
    await using site = await openBrokerSite({ limits: { subscriptionsPerClient: 1 } });
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

  it('take a SUBSCRIBE packet with as many filters as it may have in good time', async () => {
    await using site = await openBrokerSite();
    const filters = Array.from({ length: 20_000 }, (_, index) => {
      const filter = Buffer.from(index.toString(36));
      return Buffer.concat([Buffer.from([0, filter.length]), filter, Buffer.from([1])]);
    });
    const body = Buffer.concat([Buffer.from([0, 1]), ...filters]);
    const length = [(body.length & 0x7f) | 0x80, ((body.length >> 7) & 0x7f) | 0x80, body.length >> 14];
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT of client "one" with a session to be kept.
    raw.send(Buffer.from('100f00044d5154540400003c00036f6e65', 'hex'));
    raw.send(Buffer.concat([Buffer.from([0x82, ...length]), body]));
    await waitFor(() => raw.unread.length > 20_000);
    expect(site.warnings).toEqual(['a subscription was refused']);
  });

  it('drop the newest message for a client that is away and whose queue is full', async () => {
    await using site = await openBrokerSite({ limits: { queuedMessages: 2 } });
    await site.subscribe('a', 1, '-i', 'away', '-c', '-E');
    for (const message of ['1', '2', '3', '4', '5']) await site.publish('a', message);
    const { stdout } = await site.subscribe('a', 3, '-i', 'away', '-c');
    expect(stdout).toBe('a 1\na 2\n');
    // Once, not for each message.
    expect(site.warnings).toEqual(['a message was not kept, its session is full']);
  });

  it('bound what waits in the queues of all clients together', async () => {
    await using site = await openBrokerSite({ limits: { queuedBytes: 5_000, queuedBytesInAll: 7_000 } });
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
    await using site = await openBrokerSite({ limits: { queuedMessages: 1 } });
    const received = await collect(await site.network('sub'), 'n');
    const publisher = await site.network('pub');
    await Promise.all(Array.from({ length: 50 }, (_, number) => publisher.publish('n', String(number))));
    await waitFor(() => received.length === 50);
  });

  it('keep no more sessions than allowed', async () => {
    await using site = await openBrokerSite({ limits: { sessions: 1 } });
    await site.subscribe('a', 1, '-i', 'first', '-c', '-E');
    const { exitCode } = await site.subscribe('a', 1, '-i', 'second', '-c', '-E');
    expect(exitCode).not.toBe(0);
  });

  it('cut a client that reads nothing, and serve the others meanwhile', async () => {
    await using site = await openBrokerSite({ limits: { drainMs: 300 } });
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
    await using site = await openBrokerSite({ limits: { sessions: 1 } });
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT of client "one" with a session to be kept; PUBLISH "x" to "a" at QoS 2, and no PUBREL.
    raw.send(Buffer.from('100f00044d5154540400003c00036f6e65', 'hex'));
    raw.send(Buffer.from('3406000161000178', 'hex'));
    await waitFor(() => raw.unread.toString('hex') === '2002000050020001');
    expect((await site.publish('a', 'x', '-q', '2')).exitCode).toBe(0);
  });

  it('keep no more retained messages than allowed', async () => {
    await using site = await openBrokerSite({ limits: { retainedMessages: 1 } });
    await site.publish('a', '1', '-r');
    for (const topic of ['b', 'a', 'c']) await site.publish(topic, '3', '-r');
    expect((await site.subscribe('#', 2)).stdout).toBe('a 3\n');
    expect(site.warnings).toEqual(['a retained message was not kept, the broker is full of them']);
  });
});
