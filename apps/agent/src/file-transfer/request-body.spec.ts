import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiveBody } from './request-body.js';

describe('a request body', () => {
  let server: Server;

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => void server.close());

  function port(): number {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  it('is lost when the client goes after its last byte, while the disk holds it up', async () => {
    const congestion = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<IncomingMessage>();
    const outcome = Promise.withResolvers<string>();
    server.once('request', (req) => {
      const received = receiveBody(req, () => {
        taken.resolve(req);
        return congestion.promise;
      });
      received.then(
        () => outcome.resolve('complete'),
        (error: Error) => outcome.resolve(error.name),
      );
    });
    const socket = connect(port(), '127.0.0.1');
    socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc');
    const req = await taken.promise;
    await expect.poll(() => req.complete).toBe(true);
    const closed = new Promise((resolve) => req.once('close', resolve));
    socket.resetAndDestroy();
    await closed;
    congestion.resolve();
    expect(await outcome.promise).toBe('PeerLost');
  });
});
