import { RawConnection } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exchange, plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

/** Two pieces without a length: what HTTP/1.1 sends chunked. */
const inPieces = {
  handler: {
    http: (_request: unknown, response: import('node:http').ServerResponse) => {
      response.write('one ');
      response.end('two');
    },
  },
};

describe('a client of HTTP/1.0', () => {
  it('may offer http/1.0 alone in ALPN, as curl does', async () => {
    const { port } = await site.openListener(serverOnly());

    const socket = await site.openTls(port, { ALPNProtocols: ['http/1.0'] });

    expect(socket.alpnProtocol).toBe('http/1.0');
  });

  it('gets http/1.1 when it offers both', async () => {
    const { port } = await site.openListener(serverOnly());

    const socket = await site.openTls(port, { ALPNProtocols: ['http/1.0', 'http/1.1'] });

    expect(socket.alpnProtocol).toBe('http/1.1');
  });

  it.each([
    ['nothing else', ''],
    ['that it understands chunks', 'TE: chunked\r\n'],
    ['that it would keep the connection', 'Connection: keep-alive\r\n'],
  ])('gets an answer without chunks, which ends with the connection, when it says %s', async (_what, header) => {
    const { port } = await site.openListener(plain, inPieces);

    const said = await exchange(port, `GET / HTTP/1.0\r\n${header}\r\n`);

    expect(said).not.toMatch(/transfer-encoding/i);
    expect(said.split('\r\n\r\n')[1]).toBe('one two');
    expect(said).toContain('\r\nConnection: close\r\n');
  });

  it('keeps its connection when it asks for that and the answer has a length', async () => {
    const { port } = await site.openListener(plain, {
      handler: { http: (request, response) => response.setHeader('Content-Length', 2).end(request.url) },
    });
    await using connection = await RawConnection.open({ port });

    for (const path of ['/a', '/b']) {
      connection.send(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
      expect(String((await connection.response()).body)).toBe(path);
    }
  });

  it('is not asked to go on when it expects that (RFC 9110 §10.1.1)', async () => {
    const { port } = await site.openListener(plain);

    const said = await exchange(port, 'PUT /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx');

    expect(said).toMatch(/^HTTP\/1\.1 200 /);
  });
});
