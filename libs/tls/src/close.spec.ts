import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, get, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';

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

  it('ends idle connections, and those that have not said anything yet', async () => {
    const { listener, port } = await site.openListener(serverOnly());
    const silent = connect(port, '127.0.0.1');
    const idle = await site.openTls(port);
    idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(idle, 'data');
    idle.resume();

    await Promise.all([listener.close(), closing(silent), closing(idle)]);

    expect(listener.sessions).toEqual([]);
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
