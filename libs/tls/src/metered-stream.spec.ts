import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MeteredStream } from './metered-stream.js';

/** The two ends of a TCP connection. */
async function connection(): Promise<{ client: Socket; served: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connect(port, '127.0.0.1');
  return { client, served: await accepted };
}

describe('a connection whose handshake is metered', () => {
  it('gives on all that a client sends with its last bytes before it closes its side', async () => {
    const { client, served } = await connection();
    const metered = new MeteredStream(served, { mostBytes: 10, mayGoOn: () => true, onCost: () => undefined });
    const ended = once(served, 'end');
    client.end(Buffer.alloc(1_000, 7));
    await ended;
    metered.stopWatching();

    expect(await buffer(metered)).toEqual(Buffer.alloc(1_000, 7));
  });
});
