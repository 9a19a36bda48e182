import 'reflect-metadata';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { RawConnection } from '@sallyport/testkit';
import { type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let site: ProxySite;
let between: Server;
let tunnels: string[];

beforeAll(async () => {
  cloud = await fakeCloud();
});
afterAll(() => cloud[Symbol.asyncDispose]());

beforeEach(async () => {
  tunnels = [];
  between = createServer();
  between.on('connect', (request, socket, head) => {
    tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? '-'}`);
    const upstream = connect(cloud.api.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on('error', () => end.destroy());
  });
  between.listen(0, '127.0.0.1');
  await once(between, 'listening');
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  between.closeAllConnections();
  between.close();
});

async function open(...lines: string[]): Promise<void> {
  const address = between.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  site = await (await ProxySite.open(cloud, [`proxy.address = "http://127.0.0.1:${port}"`, ...lines])).start();
}

const path = '/c8y/tenant/currentTenant';

describe('an HTTP proxy between this device and the tenant', () => {
  it('is used for requests, with its own user name and password', async () => {
    await open('proxy.username = "user"', 'proxy.password = "secret"');

    expect((await site.ask(path)).status).toBe(200);
    const expected = `localhost:${cloud.api.port} Basic ${Buffer.from('user:secret').toString('base64')}`;
    expect(tunnels).toEqual([expected]);
    expect(cloud.api.requests.at(-1)?.header('proxy-authorization')).toBeUndefined();
  });

  it('is used for WebSockets', async () => {
    await open();
    await using client = await RawConnection.open({ port: site.port });
    client.send(
      'GET /c8y/notification2/consumer/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );

    await expect.poll(() => client.unread.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
    expect(tunnels).toEqual([`localhost:${cloud.api.port} -`]);
  });

  it('is passed by for a host that is reached without it', async () => {
    await open('proxy.no_proxy = "localhost"');

    expect((await site.ask(path)).status).toBe(200);
    expect(tunnels).toEqual([]);
  });
});
