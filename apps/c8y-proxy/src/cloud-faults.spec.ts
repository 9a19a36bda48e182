import 'reflect-metadata';
import { RawConnection } from '@sallyport/testkit';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let site: ProxySite;

beforeAll(async () => {
  cloud = await fakeCloud();
});
afterAll(() => cloud[Symbol.asyncDispose]());

async function open(lines: readonly string[] = [], own: readonly string[] = []): Promise<void> {
  site = await (await ProxySite.open(cloud, lines, own)).start();
}
afterEach(() => site[Symbol.asyncDispose]());

const ask = () => site.ask('/c8y/x');
const reasonOf = ({ text }: { text: string }): string => JSON.parse(text).reason;
/** The proxy still serves: nothing of the fault has stayed. */
const works = async () => (await site.ask('/c8y/tenant/currentTenant')).status === 200;

describe('a cloud that is wrong', () => {
  it.each([
    ['bytes that are no HTTP', answers.garbage(), 'response-invalid'],
    ['no answer, and ends the connection', answers.cut(), 'connection-lost'],
    ['10,000 header fields', answers.manyHeaders(), 'response-too-large'],
    ['a head without an end', answers.endlessHead(), 'response-too-large'],
    ['half a head', answers.raw('HTTP/1.1 200 OK\r\nContent-Le'), 'connection-lost'],
    [
      'a length and chunks',
      answers.raw('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      'response-invalid',
    ],
    [
      'two lengths',
      answers.raw('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'),
      'response-invalid',
    ],
    [
      '101 that nobody asked for',
      answers.raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
      'response-invalid',
    ],
  ])('that sends %s is answered 502, with a reason', async (_, answer, reason) => {
    await open();
    cloud.api.answer('/x', answer, { times: 2 });
    const got = await ask();

    expect([got.status, got.headers['content-type'], reasonOf(got)]).toEqual([502, 'application/problem+json', reason]);
    expect(await works()).toBe(true);
    expect(await site.metrics()).toContain(
      `sallyport_c8y_proxy_upstream_errors_total{connection="c8y",reason="${reason}"} 1`,
    );
  });

  it.each([
    ['a length that does not come', answers.halfResponse()],
    ['half a chunk', answers.halfChunk()],
  ])('that ends within its answer (%s) ends that of the client too', async (_, answer) => {
    await open();
    cloud.api.answer('/x', answer, { times: 1 });

    await expect(ask()).rejects.toThrow();
    expect(await works()).toBe(true);
  });

  it('that begins no answer in time is answered 504', async () => {
    await open([], ['c8y.proxy.response_timeout = "1s"']);
    cloud.api.answer('/x', answers.never(), { times: 1 });
    const got = await ask();

    expect([got.status, reasonOf(got)]).toEqual([504, 'response-timeout']);
    expect(await works()).toBe(true);
  });

  it('that is not there is answered 502', async () => {
    await open();
    await cloud.api.link.refuse();
    const got = await ask();
    await cloud.api.link.heal();

    expect([got.status, reasonOf(got)]).toEqual([502, 'cloud-unreachable']);
    expect(await works()).toBe(true);
  });

  it.each(['unknown CA', 'expired', 'other name'] as const)(
    'with a certificate of this kind is not spoken to: %s',
    async (kind) => {
      await open();
      await cloud.showCertificate(kind);
      const seen = cloud.api.requests.length;
      const got = await ask();
      await cloud.showCertificate('trusted');

      expect([got.status, reasonOf(got)]).toEqual([502, 'cloud-refused-tls']);
      expect(cloud.api.requests.length).toBe(seen);
      expect(await works()).toBe(true);
    },
  );

  it('that sends without an end is read no faster than the client reads', async () => {
    await open();
    cloud.api.answer('/x', answers.endlessBody(), { times: 1 });
    await using client = await RawConnection.open({ port: site.port });
    client.socket.pause();
    client.send('GET /c8y/x HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => client.socket.bytesRead).toBeGreaterThan(0);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 20; round++) expect(await works()).toBe(true);

    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('for which the settings have no host is told to each client, and the service runs', async () => {
    await open(['c8y.profiles.plant2.proxy.bind.port = 0'], ['cloud.connections = ["c8y@plant2"]']);
    const got = await site.ask('/c8y/x', { profile: 'plant2' });

    expect([got.status, reasonOf(got)]).toEqual([502, 'connection-not-usable']);
    expect(JSON.parse(got.text).detail).toContain('c8y.profiles.plant2.url');
  });
});

describe('a client that goes', () => {
  it('ends the exchange with the cloud', async () => {
    await open();
    cloud.api.answer('/x', answers.never(), { times: 1 });
    const client = await RawConnection.open({ port: site.port });
    client.send('GET /c8y/x HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => cloud.api.requestsTo('/x').length).toBeGreaterThan(0);
    client.socket.destroy();

    expect(await cloud.api.requestsTo('/x').at(-1)?.answered).toBe('cut');
    expect(await works()).toBe(true);
  });

  it('within its body ends that to the cloud, and nothing is half accepted', async () => {
    await open();
    const client = await RawConnection.open({ port: site.port });
    const before = cloud.api.requestsTo('/x').length;
    cloud.api.answer('/x', answers.never(), { times: 1 });
    client.send('PUT /c8y/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nhello');
    await expect.poll(() => cloud.api.requestsTo('/x').length).toBe(before + 1);
    client.socket.destroy();

    expect(await cloud.api.requestsTo('/x').at(-1)?.answered).toBe('cut');
    expect(await works()).toBe(true);
  });

  it('within a small body costs the cloud nothing', async () => {
    await open();
    const before = cloud.api.requestsTo('/x').length;
    const client = await RawConnection.open({ port: site.port });
    client.send('PUT /c8y/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhello');
    client.socket.destroy();

    expect(await works()).toBe(true);
    expect(cloud.api.requestsTo('/x').length).toBe(before);
  });

  it.each([
    'GET /c8y/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET /c8y/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET /c8y/x HTTP/1.1\nHost: a\n\n',
  ])('sends what two servers could read in two ways is answered 400: %j', async (bytes) => {
    await open();
    const before = cloud.api.requests.length;
    await using client = await RawConnection.open({ port: site.port });
    client.send(bytes);

    expect((await client.response()).status).toBe(400);
    expect(cloud.api.requests.length).toBe(before);
  });
});
