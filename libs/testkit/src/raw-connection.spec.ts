import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { RawConnection } from './raw-connection.js';

async function answering(bytes: string, { thenEnd = false } = {}): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.once('data', () => (thenEnd ? socket.end(bytes) : socket.write(bytes)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

describe('raw HTTP connection', () => {
  it.each([
    ['a declared length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello', false],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n', false],
    ['the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nHello', true],
  ])('reads a body that ends by %s', async (_how, bytes, thenEnd) => {
    const { server, port } = await answering(bytes, { thenEnd });
    await using connection = await RawConnection.open({ port });
    connection.send('GET / HTTP/1.1\r\n\r\n');
    const { status, body } = await connection.response();
    expect([status, body.toString()]).toEqual([200, 'Hello']);
    server.close();
  });

  it('leaves the next response for the next call', async () => {
    const { server, port } = await answering(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nETag: "a"\r\n\r\n',
    );
    await using connection = await RawConnection.open({ port });
    connection.send('x');
    expect((await connection.response()).status).toBe(100);
    expect(await connection.response()).toMatchObject({ status: 204, headers: { etag: '"a"' } });
    server.close();
  });

  it('notices that the other side ended the connection', async () => {
    const { server, port } = await answering('', { thenEnd: true });
    await using connection = await RawConnection.open({ port });
    connection.send('x');
    expect(await connection.closed()).toBeUndefined();
    server.close();
  });
});
