import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MeteredStream } from './metered-stream.js';

/** Larger than what a socket and two streams buffer. */
const large = Buffer.alloc(8 * 1024 * 1024, 'sallyport');

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

function meter(served: Socket): MeteredStream {
  return new MeteredStream(served, { mostBytes: 10, mayGoOn: () => true, onCost: () => undefined });
}

/** A connection after its handshake. */
async function admitted(): Promise<{ client: Socket; served: Socket; metered: MeteredStream }> {
  const { client, served } = await connection();
  const metered = meter(served);
  metered.stopWatching();
  return { client, served, metered };
}

describe('a connection whose handshake is metered', () => {
  it('gives on all that a client sends with its last bytes before it closes its side', async () => {
    const { client, served } = await connection();
    const metered = meter(served);
    const ended = once(served, 'end');
    client.end(Buffer.alloc(1_000, 7));
    await ended;
    metered.stopWatching();

    expect(await buffer(metered)).toEqual(Buffer.alloc(1_000, 7));
  });

  it('frees the bytes of a client as soon as TLS has taken them', async () => {
    const { client, served, metered } = await admitted();
    const read: Buffer[] = [];
    const taken: Buffer[] = [];
    metered.on('data', (bytes: Buffer) => taken.push(Buffer.from(bytes)));
    served.on('data', (bytes: Buffer) => read.push(bytes));
    client.end(large);
    await once(metered, 'end');

    expect(Buffer.concat(taken).equals(large)).toBe(true);
    expect(read.map(({ length }) => length)).toEqual(read.map(() => 0));
  });

  it('keeps the bytes of a client until TLS takes them', async () => {
    const { client, served, metered } = await admitted();
    metered.pause().read(0);
    client.end(large);
    await once(served, 'pause');

    expect((await buffer(metered)).equals(large)).toBe(true);
  });

  it('frees our bytes as soon as they are sent', async () => {
    const { client, metered } = await admitted();
    const ours = [Buffer.from(large.buffer.slice(0)), Buffer.from(large.buffer.slice(0))];
    for (const bytes of ours) metered.write(bytes);
    metered.end();

    expect((await buffer(client)).equals(Buffer.concat([large, large]))).toBe(true);
    expect(ours.map(({ length }) => length)).toEqual([0, 0]);
  });

  it('leaves the bytes alone that share their memory with others', async () => {
    const { client, metered } = await admitted();
    const shared = Buffer.from(large.buffer.slice(0));
    metered.end(shared.subarray(1));

    expect((await buffer(client)).equals(large.subarray(1))).toBe(true);
    expect(shared.equals(large)).toBe(true);
  });
});
