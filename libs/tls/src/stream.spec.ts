import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, exchange, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Connection } from './index.js';

const site = new Site(onTestFinished);

/** Greets by name, then echoes. */
const echo = {
  stream: ({ socket, peer }: Connection) => {
    socket.write(`hello ${peer?.deviceId ?? 'nobody'}\n`);
    socket.pipe(socket);
  },
};

/** Answers the first bytes with many, and closes at once. */
function sendAndClose(connection: Connection, size: number): void {
  connection.socket.once('data', () => {
    connection.socket.write(Buffer.alloc(size));
    connection.close();
  });
}

describe('a listener for a stream protocol', () => {
  it('hands over the admitted connection with its peer and every byte', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), { handler: echo });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    socket.write('first bytes');

    let said = '';
    while (!said.includes('first bytes')) said += String((await once(socket, 'data'))[0]);

    expect(said).toBe('hello dev-1\nfirst bytes');
  });

  it.each(['first', 'second'])(
    'answers a client whole that ends its side early, on the %s connection of a network',
    async (which) => {
      const ca = forgeCa('fleet');
      const { port } = await site.openListener(mutual([ca]), { handler: echo });
      const device = identity(forgeDevice('dev-1', ca));
      if (which === 'second') await once(await site.openTls(port, device), 'data');
      const socket = await site.openTls(port, device);
      const sent = randomBytes(8 * 1024 * 1024);
      socket.end(sent);
      // While we read nothing, both sides fill up and wait.
      await once(socket, 'readable');

      const expected = Buffer.concat([Buffer.from('hello dev-1\n'), sent]);
      expect((await buffer(socket)).equals(expected)).toBe(true);
    },
  );

  it('hands over a plain connection at level plain', async () => {
    const { port } = await site.openListener(plain, {
      handler: { stream: ({ socket }) => void socket.once('data', (chunk) => socket.end(`got ${chunk}`)) },
    });

    expect(await exchange(port, 'CONNECT')).toBe('got CONNECT');
  });

  it('closes and counts plain text where TLS is spoken', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: echo });

    expect(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('');
    expect(listener.counters).toMatchObject({ plainOnTls: 1, redirected: 0 });
  });

  it('closes and counts TLS where plain text is spoken', async () => {
    const { listener, port } = await site.openListener(plain, { handler: echo });

    await expect(site.openTls(port)).rejects.toThrow();
    expect(listener.counters.tlsOnPlain).toBe(1);
  });

  it('cuts plain connections when the level becomes stricter, for there is no request to redirect', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { handler: echo, limits: { drainMs: 20 } });
    const socket = await site.openTls(port);
    await once(socket, 'data');

    await listener.reload(mutual([forgeCa('fleet')]));
    await closing(socket);

    expect(listener.sessions).toEqual([]);
  });

  it.each(['plain', 'server'])('sends a slow peer all that was written before the close at level %s', async (level) => {
    const size = 16_000_000;
    const { port } = await site.openListener(level === 'plain' ? plain : serverOnly(), {
      handler: { stream: (connection) => sendAndClose(connection, size) },
      limits: { lingerMs: 100 },
    });
    const socket = level === 'plain' ? connect(port, '127.0.0.1') : await site.openTls(port);
    socket.write('a');
    await pause(400);

    expect((await buffer(socket)).length).toBe(size);
  });

  it('cuts a peer that reads nothing after a close once the time to drain is over', async () => {
    const { listener, port } = await site.openListener(plain, {
      handler: { stream: (connection) => sendAndClose(connection, 16_000_000) },
      limits: { lingerMs: 20, drainMs: 60 },
    });
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write('a');
    await expect.poll(() => listener.counters.established).toBe(1);

    await expect.poll(() => listener.sessions.length).toBe(0);
  });

  it('ends the session of a revoked device', async () => {
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]), { handler: echo });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    await once(socket, 'data');

    expect(listener.refuseSessions(() => 'certificate-revoked')).toBe(1);
    await closing(socket);
  });
});
