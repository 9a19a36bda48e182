import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, closing, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Connection } from './index.js';

const site = new Site(onTestFinished);

/** Says goodbye when it has to go, as MQTT 5 and CoAP do. */
const polite = {
  stream: ({ socket, draining }: Connection) => {
    socket.write('hello\n');
    draining.addEventListener('abort', () => socket.end('goodbye\n'));
  },
};

/** Keeps what it was handed. */
function keeping() {
  const first = Promise.withResolvers<Connection>();
  return { connection: first.promise, handler: { stream: (connection: Connection) => first.resolve(connection) } };
}

async function readAll(socket: NodeJS.ReadableStream): Promise<string> {
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk;
  });
  await once(socket, 'close');
  return said;
}

describe('a stream connection', () => {
  it('tells its peer, address and the protocol that was agreed on', async () => {
    const ca = forgeCa('fleet');
    const { connection, handler } = keeping();
    const { port } = await site.openListener(mutual([ca]), { handler: { ...handler, alpn: ['coap'] } });
    await site.openTls(port, { ...identity(forgeDevice('dev-1', ca)), ALPNProtocols: ['coap'] });

    const { peer, remoteAddress, alpn } = await connection;

    expect({ deviceId: peer?.deviceId, remoteAddress, alpn }).toEqual({
      deviceId: 'dev-1',
      remoteAddress: '127.0.0.1',
      alpn: 'coap',
    });
  });

  it('has no peer and no agreed protocol over plain TCP', async () => {
    const { connection, handler } = keeping();
    const { port } = await site.openListener(plain, { handler });
    const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    socket.write('x');

    const { peer, alpn, draining } = await connection;
    socket.destroy();

    expect([peer, alpn, draining.aborted]).toEqual([undefined, undefined, false]);
  });

  it('says goodbye in its own words when the listener closes', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: polite });
    const socket = await site.openTls(port);
    await once(socket, 'data');
    const said = readAll(socket);

    await listener.close();

    expect(await said).toBe('goodbye\n');
  });

  it('that asks for its own revocation gets the answer, and is cut when it does not end then', async () => {
    const ca = forgeCa('fleet');
    const stream = (connection: Connection) => {
      connection.endGently(300);
      connection.draining.addEventListener('abort', () => connection.socket.write('revoked\n'));
      connection.socket.write('hello\n');
    };
    const { listener, port, refusals } = await site.openListener(mutual([ca]), { handler: { stream } });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await once(socket, 'data');
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    const closed = closing(socket);

    for (let times = 0; times < 2; times += 1) listener.refuseSessions(() => 'device-revoked');

    await closed;
    expect(said).toBe('revoked\n');
    expect(refusals.map(({ reason }) => reason)).toEqual(['device-revoked']);
  });

  it('that asked for its own revocation long ago is cut at once', async () => {
    const ca = forgeCa('fleet');
    const { connection, handler } = keeping();
    const { listener, port } = await site.openListener(mutual([ca]), { handler });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    const stream = await connection;
    stream.endGently(0);
    const closed = closing(socket);
    listener.refuseSessions(() => 'device-revoked');
    await closed;
    expect(stream.draining.aborted).toBe(false);
  });

  it('says goodbye in its own words when the level becomes stricter', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: polite });
    const socket = await site.openTls(port);
    await once(socket, 'data');
    const said = readAll(socket);

    await listener.reload(mutual([forgeCa('fleet')]));

    expect(await said).toBe('goodbye\n');
  });

  it('is not handed over when the listener closes before the registry has answered', async () => {
    const ca = forgeCa('fleet');
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const handed: Connection[] = [];
    const { listener, port } = await site.openListener(mutual([ca]), {
      handler: { stream: (connection) => void handed.push(connection) },
      admission: {
        admit: async (request) => {
          asked.resolve();
          await answer.promise;
          return admitAll.admit(request);
        },
      },
    });
    const closed = closing(await site.openTls(port, identity(forgeDevice('dev-1', ca))));
    await asked.promise;

    const stopped = listener.close();
    answer.resolve();
    await Promise.all([closed, stopped]);

    expect(handed).toEqual([]);
  });

  it('is cut when it has not ended in time', async () => {
    const { connection, handler } = keeping();
    const { listener, port } = await site.openListener(serverOnly(), { handler, limits: { drainMs: 20 } });
    const socket = await site.openTls(port);
    const closed = closing(socket);
    const { draining } = await connection;

    await listener.close();
    await closed;

    expect(draining.aborted).toBe(true);
  });

  it('is cut without a goodbye when its device is revoked', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]), { handler: polite });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await once(socket, 'data');
    const said: string[] = [];
    socket.on('data', (chunk) => said.push(String(chunk)));
    const closed = closing(socket);

    listener.refuseSessions(() => 'device-revoked');
    await closed;

    expect(said).toEqual([]);
  });

  it('sends what is written before the handler closes it', async () => {
    const { port } = await site.openListener(serverOnly(), {
      handler: {
        stream: (connection) => {
          connection.socket.write('last words');
          connection.close();
        },
      },
    });

    expect(await readAll(await site.openTls(port))).toBe('last words');
  });

  it('is cut and counted when the handler closes it with a reason', async () => {
    const ca = forgeCa('fleet');
    const { connection, handler } = keeping();
    const { listener, port, refusals } = await site.openListener(mutual([ca]), { handler });
    const device = forgeDevice('dev-1', ca);
    const socket = await site.openTls(port, identity(device));
    const closed = closing(socket);

    (await connection).close('not-permitted');
    await closed;

    expect(refusals).toMatchObject([{ reason: 'not-permitted', fingerprint: device.certificate.fingerprint }]);
    expect(listener.refusalCounts).toEqual(new Map([['not-permitted', 1]]));
  });
});

describe('the protocol named in the handshake', () => {
  it.each([
    ['its own', { alpn: ['coap'] }, ['coap'], 'coap'],
    ['none', { alpn: ['coap'] }, undefined, false],
    ['one that a stream does not name', {}, ['coap'], false],
  ])('lets a client pass that offers %s', async (_, names, ALPNProtocols, expected) => {
    const { port } = await site.openListener(serverOnly(), { handler: { ...polite, ...names } });

    const socket = await site.openTls(port, ALPNProtocols === undefined ? {} : { ALPNProtocols });

    expect(socket.alpnProtocol).toBe(expected);
  });

  it('refuses a client that offers another one', async () => {
    const { port } = await site.openListener(serverOnly(), { handler: { ...polite, alpn: ['coap'] } });

    await expect(site.openTls(port, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow();
  });

  it('is HTTP/1.1 for HTTP', async () => {
    const { port } = await site.openListener(serverOnly());

    expect((await site.openTls(port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe('http/1.1');
  });
});

describe('limits', () => {
  const silentFor = (limits: { readonly idleMs: number }) => ({
    handler: { http: () => undefined, limits },
  });

  it('may come with the protocol', async () => {
    const { port } = await site.openListener(plain, silentFor({ idleMs: 50 }));
    const socket = connectTcp(port, '127.0.0.1');
    socket.write('GET /poll HTTP/1.1\r\nHost: a\r\n\r\n');

    await closing(socket);
  });

  it('of the owner come before those of the protocol', async () => {
    const { port } = await site.openListener(plain, { ...silentFor({ idleMs: 600_000 }), limits: { idleMs: 50 } });
    const socket = connectTcp(port, '127.0.0.1');
    socket.write('GET /poll HTTP/1.1\r\nHost: a\r\n\r\n');

    await closing(socket);
  });
});
