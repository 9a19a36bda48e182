import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { admitAll, closing, get, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import { SecureListener } from './index.js';

const site = new Site(onTestFinished);

describe('closing a listener', () => {
  it('lets the request in flight finish, and takes no new connection', async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const ca = forgeCa('fleet');
    const { listener, port } = await site.openListener(mutual([ca]), {
      handler: { http: (_: IncomingMessage, response: ServerResponse) => begun.resolve(response) },
    });
    const answered = get(`https://127.0.0.1:${port}/a`, identity(forgeDevice('dev-1', ca)));
    const response = await begun.promise;

    const closed = listener.close();
    await expect(get(`https://127.0.0.1:${port}/b`)).rejects.toThrow('ECONNREFUSED');
    response.end('whole');

    expect((await answered).body).toBe('whole');
    await closed;
  });

  it('answers every request it has taken from a connection, and takes none after that', async () => {
    const taken: [path: string | undefined, response: ServerResponse][] = [];
    const { listener, port } = await site.openListener(plain, {
      handler: { http: (request, response) => taken.push([request.url, response]) },
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => taken.length).toBe(2);

    const closed = listener.close();
    await new Promise((done) => socket.write('GET /c HTTP/1.1\r\nHost: a\r\n\r\n', done));
    for (const [path, response] of taken) response.end(`served ${path}`);

    expect((await text(socket)).match(/Connection: .*|served .*?(?=HTTP|$)/g)).toEqual([
      'Connection: keep-alive',
      'served /a',
      'Connection: close',
      'served /b',
    ]);
    await closed;
    expect(taken).toHaveLength(2);
  });

  it('does not lose the end of an answer to a request that comes too late', async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const { listener, port } = await site.openListener(plain, {
      handler: { http: (_, response) => begun.resolve(response) },
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    const response = await begun.promise;
    const answer = 'x'.repeat(300_000);
    response.write(answer);
    const closed = listener.close();
    // Ended in a later turn than the close: the connection was busy with an answer that had begun.
    await nextTurn();
    response.end();
    await once(response, 'close');

    const tooLate = Buffer.alloc(3_000_000);
    socket.write(`PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: ${tooLate.length}\r\n\r\n`);
    await new Promise((done) => socket.write(tooLate, done));

    expect((await text(socket)).replace(/[^x]/g, '')).toHaveLength(answer.length);
    await closed;
  });

  it('ends idle connections, and those that have not said anything yet', async () => {
    const { listener, port } = await site.openListener(serverOnly(), { limits: { handshakeMs: 3_600_000 } });
    const silent = connect(port, '127.0.0.1');
    const idle = await site.openTls(port);
    idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(idle, 'data');
    idle.resume();

    await Promise.all([listener.close(), closing(silent), closing(idle)]);

    expect(listener.sessions).toEqual([]);
  });

  it('does not wait for a client that never hangs up', async () => {
    const { listener, port } = await site.openListener(plain, { limits: { lingerMs: 50, drainMs: 3_600_000 } });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');

    await listener.close();
  });

  it('cuts what is left when the time to drain is over', async () => {
    const { listener, port } = await site.openListener(plain, {
      handler: { http: (_: IncomingMessage, response: ServerResponse) => void response.write('never ends') },
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    socket.resume();

    await Promise.all([listener.close({ drainMs: 20 }), closing(socket)]);
  });

  it('may be asked for twice', async () => {
    const { listener } = await site.openListener(plain);

    await Promise.all([listener.close(), listener.close()]);
  });
});

describe('a listener that is being opened', () => {
  const opening = (security = plain) => {
    const listener = new SecureListener({
      name: 'agent',
      host: '127.0.0.1',
      port: 0,
      security,
      admission: admitAll,
      events: { onRefusal: () => undefined, onWarning: () => undefined },
      handler: { http: (_, response) => response.end() },
    });
    onTestFinished(() => listener.close());
    return { listener, opened: listener.listen() };
  };

  it('is opened once, however often it is asked to', async () => {
    const { listener, opened } = opening();

    await expect(listener.listen()).rejects.toMatchObject({ type: 'conflict' });
    await opened;
  });

  it('takes up a reload that comes meanwhile', async () => {
    const { listener, opened } = opening();

    await listener.reload(serverOnly());
    await opened;

    expect(listener.level).toBe('server');
  });

  it('is closed when that is asked for meanwhile', async () => {
    const { listener, opened } = opening();

    await listener.close();

    await expect(get(`http://127.0.0.1:${(await opened).port}/`)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('opening a listener', () => {
  it('is refused the second time', async () => {
    const { listener } = await site.openListener(plain);

    await expect(listener.listen()).rejects.toMatchObject({ type: 'conflict' });
  });

  it('fails with the address when another program holds the port', async () => {
    const { port } = await site.openListener(plain);

    await expect(site.openListener(plain, { port })).rejects.toThrow(
      `Listener "agent" cannot use 127.0.0.1 port ${port}`,
    );
  });
});
