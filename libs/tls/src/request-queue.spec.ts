import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { get, identity, mutual, plain, Site } from './fixtures/site.js';

const site = new Site(onTestFinished);
const requests = (count: number) =>
  Array.from({ length: count }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');

/** The most that is noted within one turn of the event loop. */
class TurnMeter {
  most = 0;
  private inThisTurn = 0;

  note(): void {
    if (this.inThisTurn === 0)
      setImmediate(() => {
        this.inThisTurn = 0;
      });
    this.inThisTurn += 1;
    this.most = Math.max(this.most, this.inThisTurn);
  }
}

/** A client that never reads its answers: requests of it wait. */
async function openWith(requestsWaitingOfPeer: number) {
  const { listener, port } = await site.openListener(plain, {
    limits: { requestsWaitingOfPeer },
    handler: { http: (request, response) => void (request.url === '/other' && response.end('served')) },
  });
  const connectFrom = async (localAddress: string) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { listener, connectFrom };
}

describe('a peer that pipelines on several connections', () => {
  it('has so many requests waiting in all, and loses the connection that brings more', async () => {
    const { listener, connectFrom } = await openWith(50);
    const [first, second] = [await connectFrom('127.0.0.2'), await connectFrom('127.0.0.2')];
    first.resume().write(requests(40));
    second.resume().write(requests(40));

    await expect.poll(() => listener.counters.faultyRequests, { timeout: 20_000 }).toBe(1);
    await expect.poll(() => listener.sessions.length, { timeout: 20_000 }).toBe(1);
  });

  it('gives its room back when its connections end, and takes none from another', async () => {
    const { listener, connectFrom } = await openWith(50);
    const first = await connectFrom('127.0.0.2');
    first.write(requests(58));
    const other = await connectFrom('127.0.0.3');
    other.write(requests(58));
    await expect.poll(() => listener.sessions.length).toBe(2);
    first.destroy();
    await expect.poll(() => listener.sessions.length).toBe(1);

    (await connectFrom('127.0.0.2')).write(requests(58));

    await expect.poll(() => listener.sessions.length).toBe(2);
    expect(listener.counters.faultyRequests).toBe(0);
  });
});

async function open(level: 'plain' | 'mutual', http: (request: IncomingMessage, response: ServerResponse) => void) {
  const ca = forgeCa('fleet');
  const { port } = await site.openListener(level === 'plain' ? plain : mutual([ca]), { handler: { http } });
  const device = identity(forgeDevice('dev-1', ca));
  const socket = level === 'plain' ? connect(port, '127.0.0.1') : await site.openTls(port, device);
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  const other = () => get(`${level === 'plain' ? 'http' : 'https'}://127.0.0.1:${port}/other`, device);
  return { socket, other };
}

describe.each(['plain', 'mutual'] as const)('a client that pipelines without end, at level %s', (level) => {
  it('has eight requests in hand, and is not read on while the others wait', async () => {
    const taken: IncomingMessage[] = [];
    const { socket, other } = await open(level, (request, response) => {
      if (request.url === '/other') response.end('served');
      else taken.push(request);
    });

    socket.write(requests(40_000));
    await expect.poll(() => taken.length).toBe(8);
    for (const _ of [1, 2, 3, 4]) expect((await other()).body).toBe('served');

    expect(taken).toHaveLength(8);
    expect(taken[0]?.socket.bytesRead).toBeLessThan(400_000);
  });

  it('is answered in order, each request once', async () => {
    const { socket } = await open(level, ({ url }, response) => response.end(`<${url}>`));
    let said = '';
    socket.on('data', (chunk) => {
      said += String(chunk);
    });

    socket.write(requests(1_000));

    await expect.poll(() => said.endsWith('</999>'), { timeout: 20_000 }).toBe(true);
    expect(said.match(/<\/\d+>/g)).toEqual(Array.from({ length: 1_000 }, (_, index) => `</${index}>`));
  });

  it('leaves the event loop to others after a few answers', async () => {
    const meter = new TurnMeter();
    let answered = 0;
    const { socket } = await open(level, (_, response) => {
      meter.note();
      answered += 1;
      response.end('at once');
    });

    socket.resume().write(requests(1_000));

    await expect.poll(() => answered, { timeout: 20_000 }).toBe(1_000);
    // Those that were parsed in a turn may be followed by those whose turn had come.
    expect(meter.most).toBeLessThanOrEqual(16);
  });

  it('leaves the event loop to others also within a body of chunks of one byte', async () => {
    const meter = new TurnMeter();
    const done = Promise.withResolvers<number>();
    const { socket } = await open(level, (request) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        meter.note();
        bytes += chunk.length;
      });
      request.on('end', () => done.resolve(bytes));
    });

    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.write('1\r\nx\r\n'.repeat(60_000));
    socket.write('0\r\n\r\n');

    expect(await done.promise).toBe(60_000);
    // What one read of 64 KiB brings, six bytes each, may be spread over two turns.
    expect(meter.most).toBeLessThanOrEqual((2 * 65_536) / 6);
  });

  it('is answered again after a body of many chunks', async () => {
    const { socket } = await open(level, (request, response) => {
      request.resume().on('end', () => response.end(`<${request.url}>`));
    });
    let said = '';
    socket.on('data', (chunk) => {
      said += String(chunk);
    });

    socket.write(`PUT /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(2_000)}`);
    socket.write(`0\r\n\r\n${requests(100)}`);

    await expect.poll(() => said.endsWith('</99>')).toBe(true);
    expect(said).toContain('</first>');
  });
});
