import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { plain, Site } from './fixtures/site.js';

const site = new Site(onTestFinished);
const head = 'PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** What the client reads first, and the connection it goes on with. */
async function ask(http: Handler) {
  const { port } = await site.openListener(plain, { handler: { http } });
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(head);
  const [first] = await once(socket, 'data');
  return { first: String(first), socket };
}

const readers: readonly (readonly [how: string, read: (request: IncomingMessage) => Promise<string>])[] = [
  ['by data events', (request) => new Promise((resolve) => request.on('data', (chunk) => resolve(String(chunk))))],
  ['as an iterator', (request) => text(request)],
];

describe('a client that waits to be asked for its body (RFC 9110 §10.1.1)', () => {
  it.each(readers)('is asked when the handler reads it %s, and keeps its connection', async (_, read) => {
    const { first, socket } = await ask((request, response) => {
      read(request).then((body) => response.end(`got ${body}`));
    });
    expect(first).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('abcd');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(String(answer)).toMatch(/Connection: keep-alive[\s\S]*got abcd/);
  });

  it('is asked even when the listener closes meanwhile, and told that this was its last request', async () => {
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { port, listener } = await site.openListener(plain, {
      handler: {
        http: (request, response) => {
          begun.resolve();
          goOn.promise.then(() => text(request)).then((body) => response.end(`got ${body}`));
        },
      },
    });
    const socket = connect(port, '127.0.0.1');
    socket.write(head);
    await begun.promise;
    const closed = listener.close();
    goOn.resolve();
    const [first] = await once(socket, 'data');
    expect(String(first)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('abcd');
    expect(await text(socket)).toMatch(/Connection: close[\s\S]*got abcd/);
    await closed;
  });

  it('is not asked when the handler answers without reading, and its connection ends', async () => {
    const { first, socket } = await ask((_, response) => response.writeHead(413).end());
    expect(first).toMatch(/^HTTP\/1\.1 413 Payload Too Large\r\n/);
    expect(first).toMatch(/\r\nConnection: close\r\n/);
    await once(socket, 'close');
  });
});
