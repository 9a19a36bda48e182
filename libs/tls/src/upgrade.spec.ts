import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, closing, exchange, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Connection, HttpHandler, SecureListenerOptions } from './index.js';

const site = new Site(onTestFinished);

const http: HttpHandler = (request, response) => void response.end(`served ${request.url}`);

/** Switches, then sends back what comes. */
function echoing(): { readonly handler: Required<Pick<Handler, 'http' | 'upgrade'>>; readonly upgraded: Connection[] } {
  const upgraded: Connection[] = [];
  const upgrade = (_: IncomingMessage, connection: Connection, head: Buffer) => {
    upgraded.push(connection);
    const { socket, draining, peer } = connection;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    socket.write(`hello ${peer?.deviceId ?? 'nobody'}\n`);
    socket.write(head);
    socket.pipe(socket);
    draining.addEventListener('abort', () => socket.end('goodbye\n'));
  };
  return { upgraded, handler: { http, upgrade } };
}

type Handler = Extract<SecureListenerOptions['handler'], { readonly http: HttpHandler }>;

const upgradeTo = (protocol: string, more = '') =>
  `GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}\r\n`;

async function heard(socket: Socket, expected: string): Promise<string> {
  let said = '';
  while (!said.includes(expected)) said += String((await once(socket, 'data'))[0]);
  return said;
}

async function openUpgraded(port: number, options: Parameters<Site['openTls']>[1] = {}): Promise<TLSSocket> {
  const socket = await site.openTls(port, options);
  socket.write(upgradeTo('websocket'));
  await heard(socket, 'hello');
  return socket;
}

describe('a connection that is upgraded', () => {
  it('is handed over with its peer and every byte', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), { handler: echoing().handler });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    socket.write(`${upgradeTo('WebSocket')}first bytes`);

    const said = await heard(socket, 'first bytes');

    expect(said).toContain('HTTP/1.1 101 ');
    expect(said).toMatch(/hello dev-1\nfirst bytes$/);
  });

  it('may follow an ordinary request', async () => {
    const { port } = await site.openListener(serverOnly(), { handler: echoing().handler });
    const socket = await site.openTls(port);
    socket.write('GET /before HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await heard(socket, 'served /before');
    socket.write(upgradeTo('websocket'));

    expect(await heard(socket, 'hello')).toContain('101 Switching Protocols');
  });

  it('is a session that is cut when its device is revoked', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]), { handler: echoing().handler });
    const socket = await openUpgraded(port, identity(forgeDevice('dev-1', ca)));

    expect(listener.sessions.map(({ peer }) => peer?.deviceId)).toEqual(['dev-1']);
    expect(listener.refuseSessions(() => 'device-revoked')).toBe(1);
    await closing(socket);
  });

  it('ends when its certificate does', async () => {
    const ca = forgeCa('fleet');
    const device = forgeDevice('dev-1', ca);
    // The certificate is good until the second that `notAfter` names is over.
    const aheadMs = device.certificate.notAfter.getTime() - 500 - Date.now();
    const { port, firstRefusal } = await site.openListener(mutual([ca]), {
      handler: echoing().handler,
      now: () => new Date(Date.now() + aheadMs),
    });
    const socket = await openUpgraded(port, identity(device));

    await closing(socket);

    expect((await firstRefusal).reason).toBe('certificate-expired');
  });

  it('says goodbye in its own words when the listener closes', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: echoing().handler });
    const socket = await openUpgraded(port);
    const goodbye = heard(socket, 'goodbye');

    await Promise.all([listener.close(), closing(socket)]);

    expect(await goodbye).toBe('goodbye\n');
  });

  it('says goodbye in its own words when the level becomes stricter', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: echoing().handler });
    const socket = await openUpgraded(port);
    const goodbye = heard(socket, 'goodbye');

    await listener.reload(mutual([forgeCa('fleet')]));

    expect(await goodbye).toBe('goodbye\n');
  });

  it('may be silent for longer than HTTP', async () => {
    const { handler } = echoing();
    const { listener, port } = await site.openListener(serverOnly(), { handler, limits: { idleMs: 30 } });
    const socket = await openUpgraded(port);
    // This one shares the limit, and shows when it was over.
    const polling = await site.openTls(port);
    polling.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
    await closing(polling);

    await expect.poll(() => listener.sessions.length).toBe(1);
    socket.write('still here');
    expect(await heard(socket, 'still here')).toBe('still here');
  });
});

describe('a request for an upgrade', () => {
  it('is a request like any other where nobody takes upgrades', async () => {
    const { port } = await site.openListener(plain, { handler: { http } });

    expect(await exchange(port, upgradeTo('websocket', 'Connection: close\r\n'))).toContain('served /live');
  });

  it.each([
    ['for another protocol', upgradeTo('h2c', 'Connection: close\r\n')],
    ['with a body', `${upgradeTo('websocket', 'Connection: close\r\nContent-Length: 2\r\n')}ab`],
    [
      'with a chunked body',
      `${upgradeTo('websocket', 'Connection: close\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`,
    ],
    ['by another method', upgradeTo('websocket', 'Connection: close\r\n').replace('GET', 'DELETE')],
  ])('%s is served as if it had asked for none', async (_, bytes) => {
    const { handler, upgraded } = echoing();
    const { port } = await site.openListener(plain, { handler });

    expect(await exchange(port, bytes)).toContain('HTTP/1.1 200 OK');
    expect(upgraded).toEqual([]);
  });

  it('behind a request that is still answered is served as if it had asked for none', async () => {
    const { handler, upgraded } = echoing();
    const { port } = await site.openListener(plain, { handler });
    const first = 'GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n';

    const said = await exchange(port, `${first}${upgradeTo('websocket', 'Connection: close\r\n')}`);

    expect(said).toContain('served /first');
    expect(said).toContain('served /live');
    expect(upgraded).toEqual([]);
  });

  it('that is faulty is answered 400', async () => {
    const { handler, upgraded } = echoing();
    const { port } = await site.openListener(plain, { handler });

    expect(await exchange(port, upgradeTo('websocket', 'Host: other\r\n'))).toContain('HTTP/1.1 400 ');
    expect(upgraded).toEqual([]);
  });

  it('of a peer that is not admitted is answered 403', async () => {
    const ca = forgeCa('fleet');
    const { handler, upgraded } = echoing();
    const { port } = await site.openListener(mutual([ca]), {
      handler,
      admission: { admit: async () => ({ outcome: 'refused', reason: 'device-locked' }) },
    });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    socket.write(upgradeTo('websocket'));

    expect(await heard(socket, 'device-locked')).toContain('HTTP/1.1 403 ');
    expect(upgraded).toEqual([]);
  });

  it('waits for the answer of the registry', async () => {
    const ca = forgeCa('fleet');
    const { handler, upgraded } = echoing();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const { port } = await site.openListener(mutual([ca]), {
      handler,
      admission: {
        admit: async (request) => {
          asked.resolve();
          await answer.promise;
          return admitAll.admit(request);
        },
      },
    });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    socket.write(upgradeTo('websocket'));
    await asked.promise;
    const upgradedBefore = upgraded.length;
    answer.resolve();
    await heard(socket, 'hello dev-1');

    expect([upgradedBefore, upgraded.length]).toEqual([0, 1]);
  });

  it('over plain text is sent to https where TLS is spoken', async () => {
    const { handler, upgraded } = echoing();
    const { port } = await site.openListener(serverOnly(), { handler });

    expect(await exchange(port, upgradeTo('websocket'))).toContain('HTTP/1.1 307 ');
    expect(upgraded).toEqual([]);
  });
});
