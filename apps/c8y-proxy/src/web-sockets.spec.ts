import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { RawConnection, type RawResponse } from '@sallyport/testkit';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let site: ProxySite;

beforeAll(async () => {
  cloud = await fakeCloud();
});
afterAll(() => cloud[Symbol.asyncDispose]());
beforeEach(async () => {
  site = await (await ProxySite.open(cloud)).start();
});
afterEach(() => site[Symbol.asyncDispose]());

const path = '/notification2/consumer/';

/** Asks for a WebSocket (RFC 6455 §4.1). */
async function open(target = path, fields: readonly string[] = []): Promise<{ client: RawConnection; head: string }> {
  const client = await RawConnection.open({ port: site.port });
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET /c8y${target} HTTP/1.1`,
    'Host: proxy.example',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...fields,
  ];
  client.send(`${lines.join('\r\n')}\r\n\r\n`);
  await expect.poll(() => client.unread.includes('\r\n\r\n')).toBe(true);
  return { client, head: client.unread.toString('latin1') };
}

/** A masked frame of a client (RFC 6455 §5.2), with a mask of zeros. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

describe('a WebSocket through the proxy', () => {
  it('is opened at the tenant with its query and the token, and passes messages both ways', async () => {
    const { client, head } = await open(`${path}?token=a%2Fb&x=1`, ['Sec-WebSocket-Protocol: mqtt', 'X-Own: kept']);
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    client.send(frame('hello'));

    await expect.poll(() => client.unread.toString('latin1').endsWith('\x81\x05hello')).toBe(true);
    const seen = cloud.api.requests.at(-1);
    expect(seen?.target).toBe(`${path}?token=a%2Fb&x=1`);
    expect([seen?.header('host'), seen?.header('x-own')]).toEqual([`localhost:${cloud.api.port}`, 'kept']);
    expect(seen?.header('authorization')).toBe(`Bearer ${cloud.tokens.issued.at(-1)}`);
    expect(await site.metrics()).toContain('sallyport_c8y_proxy_websockets{connection="c8y"} 1');
    client.socket.destroy();
    await expect.poll(() => site.metrics()).toContain('sallyport_c8y_proxy_websockets{connection="c8y"} 0');
  });

  it('has one authorization only where the client brings its own', async () => {
    const token = cloud.tokens.issue('child01');
    const { head } = await open(path, [`Authorization: Bearer ${token}`]);

    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    const fields = cloud.api.requests.at(-1)?.headers.filter(([name]) => name.toLowerCase() === 'authorization');
    expect([fields, site.tokenRequests]).toEqual([[['Authorization', `Bearer ${token}`]], 0]);
  });

  it('gets another token once when the tenant refuses the first', async () => {
    await site.ask('/c8y/tenant/currentTenant');
    cloud.tokens.revokeAll();

    expect((await open()).head).toMatch(/^HTTP\/1\.1 101 /);
    expect(site.tokenRequests).toBe(2);
  });

  it.each([
    ['refuses it', answers.status(403, 'no'), 403],
    ['refuses the token twice', answers.unauthorized(), 401],
    ['fails', answers.status(500), 500],
    ['is no HTTP server', answers.garbage(), 502],
  ])('is an HTTP status for the client when the tenant %s', async (_, answer, status) => {
    const stop = cloud.api.answer(path, answer);
    const { client } = await open();
    stop();

    const response: RawResponse = await client.response();
    expect(response.status).toBe(status);
  });

  it('is an HTTP status for the client when the tenant is away', async () => {
    await cloud.api.link.refuse();
    const { head } = await open();
    await cloud.api.link.heal();

    expect(head).toMatch(/^HTTP\/1\.1 502 .*cloud-unreachable/s);
  });

  it('ends when the tenant ends it', async () => {
    const { client } = await open();
    cloud.api.webSockets.close(1001, 'maintenance');

    await expect.poll(() => client.unread.includes('maintenance')).toBe(true);
  });

  it('ends at the tenant when the client is gone', async () => {
    const before = cloud.api.webSockets.open;
    const { client } = await open();
    expect(cloud.api.webSockets.open).toBe(before + 1);
    client.socket.resetAndDestroy();

    await expect.poll(() => cloud.api.webSockets.open).toBe(before);
  });

  it('to the user interface is refused without asking the tenant', async () => {
    const before = cloud.api.requests.length;

    expect((await open('/apps/x')).head).toMatch(/^HTTP\/1\.1 403 /);
    expect(cloud.api.requests.length).toBe(before);
  });

  it('goes when the service stops', async () => {
    const { client } = await open();
    await site.entrances.beforeApplicationShutdown();

    await expect.poll(() => client.isClosed || client.socket.readableEnded).toBe(true);
  });
});
