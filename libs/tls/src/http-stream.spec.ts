import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, exchange, get, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Connection } from './index.js';

const site = new Site(onTestFinished);

/** Answers each connection once, by hand. */
const byHand = {
  httpStream: ({ socket, peer }: Connection) => {
    const body = peer?.deviceId ?? 'nobody';
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  },
};

describe('a listener whose handler reads HTTP from the stream', () => {
  it('hands over the bytes of an admitted peer', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), { handler: byHand });
    const answer = await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca)));

    expect([answer.status, answer.body]).toEqual([200, 'dev-1']);
  });

  it('offers HTTP/1.1 in the handshake, and no other protocol', async () => {
    const { port } = await site.openListener(serverOnly(), { handler: byHand });

    expect((await site.openTls(port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe('http/1.1');
    await expect(site.openTls(port, { ALPNProtocols: ['h2'] })).rejects.toThrow();
  });

  it('sends plain HTTP on a TLS port to https, and the handler sees none of it', async () => {
    const handled: Connection[] = [];
    const httpStream = (connection: Connection) => void handled.push(connection);
    const { port } = await site.openListener(serverOnly(), { handler: { httpStream } });

    const answer = await get(`http://127.0.0.1:${port}/c8y/inventory?a=%2F`);

    expect([answer.status, answer.headers.location]).toEqual([307, `https://127.0.0.1:${port}/c8y/inventory?a=%2F`]);
    expect(handled).toEqual([]);
  });

  it('tells TLS on a plain port that it speaks HTTP', async () => {
    const { listener, port } = await site.openListener(plain, { handler: byHand });

    await expect(site.openTls(port)).rejects.toThrow();
    expect(listener.counters.tlsOnPlain).toBe(1);
    expect(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK.*nobody$/s);
  });

  it('tells a refused peer why, in HTTP', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), {
      handler: byHand,
      admission: { admit: async () => ({ outcome: 'refused', reason: 'device-locked' }) },
    });

    const answer = await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-1', ca)));

    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ reason: 'device-locked' });
  });

  it('ends the session of a revoked device', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]), {
      handler: { httpStream: ({ socket }) => void socket.resume() },
    });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await expect.poll(() => listener.sessions.length).toBe(1);

    expect(listener.refuseSessions(() => 'certificate-revoked')).toBe(1);
    await closing(socket);
  });

  it('tells the handler to end a connection when it closes', async () => {
    const { listener, port } = await site.openListener(plain, {
      handler: {
        httpStream: ({ socket, draining }) => {
          socket.resume();
          draining.addEventListener('abort', () => socket.end('goodbye'));
        },
      },
    });
    const said = exchange(port, 'GET');
    await expect.poll(() => listener.sessions.length).toBe(1);

    await listener.close({ drainMs: 5_000 });

    expect(await said).toBe('goodbye');
  });
});
