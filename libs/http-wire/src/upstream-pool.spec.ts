import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { OutgoingRequest } from './api.js';
import { type Body, type BodySink, collect, WholeBody } from './body.js';
import { getRequest, PoolSite, received } from './pool-site.fixture.js';
import { UpstreamPool } from './upstream-pool.js';

const site = new PoolSite();
afterEach(() => site.close());

const post = (body: Body): OutgoingRequest => ({ ...getRequest(), method: 'POST', body });
const whole = (text: string): Body => new WholeBody(Buffer.from(text));
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A body that the test sends piece by piece. */
class SlowBody implements Body {
  readonly isReplayable = false;
  sink: BodySink | undefined;
  isCancelled = false;
  resumes = 0;

  constructor(readonly length: number | undefined) {}

  flow(sink: BodySink): void {
    this.sink = sink;
    sink.flush();
  }

  resume(): void {
    this.resumes += 1;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

/** An upstream that keeps its connections, and says what each has sent. */
async function silentUpstream(): Promise<{ port: number; sockets: Socket[]; heard: () => string }> {
  const sockets: Socket[] = [];
  let heard = '';
  const port = await site.listen((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1');
    });
  });
  return { port, sockets, heard: () => heard };
}

describe('a pool of connections to an upstream', () => {
  it('sends requests one after the other on one connection', async () => {
    const port = await site.serve(async ({ method, target, body }, response) => {
      response.answer(200, [], `${method} ${target} ${await collect(body, 100)}`);
    });
    const pool = site.poolTo(port);

    const said = [
      await site.textOf(pool, getRequest('/a')),
      await site.textOf(pool, post(whole('b'))),
      await site.textOf(pool, getRequest('/c')),
    ];

    expect(said).toEqual(['200 GET /a ', '200 POST / b', '200 GET /c ']);
    expect(pool.figures).toMatchObject({ open: 1, idle: 1 });
  });

  it('sends method, target and fields byte for byte, and the framing of the body', async () => {
    const { port, heard } = await silentUpstream();
    const pool = site.poolTo(port);
    const fields = ['Host', 'up', 'x-Caf\u00e9', '\u00fc  \t x'];

    pool.exchange({ method: 'PATCH', target: '/a%2F%2e?q=%C3%A4', fields, body: whole('{}') }).response.catch(() => {});

    await expect
      .poll(heard)
      .toBe('PATCH /a%2F%2e?q=%C3%A4 HTTP/1.1\r\nHost: up\r\nx-Caf\u00e9: \u00fc  \t x\r\nContent-Length: 2\r\n\r\n{}');
  });

  it.each([
    ['a line end in a value', { fields: ['Authorization', 'Bearer x\r\nX: y'] }],
    ['a letter of two bytes, which would be cut to a line end', { fields: ['X', '\u010a'] }],
    ['a line end in a name', { fields: ['X: y\r\nZ', '1'] }],
    ['a space in the target', { target: '/a b' }],
    ['a target without a slash', { target: 'a' }],
    ['a line end in the method', { method: 'GET\r\n' }],
  ])('sends nothing of a request with %s', async (_what, part) => {
    const { port, sockets } = await silentUpstream();
    const pool = site.poolTo(port);

    expect(() => pool.exchange({ ...getRequest(), ...part })).toThrow(TypeError);
    expect(sockets).toEqual([]);
  });

  it('opens no more connections than allowed, and serves who waits in order', async () => {
    const { port, sockets } = await silentUpstream();
    const pool = site.poolTo(port, { connections: 2 });
    const said = ['/1', '/2', '/3', '/4'].map((target) => site.textOf(pool, getRequest(target)));
    await expect.poll(() => sockets.length).toBe(2);

    expect(pool.figures).toMatchObject({ open: 2, waiting: 2 });
    for (const socket of sockets) socket.on('data', () => socket.write(ok));
    for (const socket of sockets) socket.write(ok);

    expect(await Promise.all(said)).toEqual(['200 ok', '200 ok', '200 ok', '200 ok']);
    expect(sockets).toHaveLength(2);
  });

  it('refuses an exchange when too many wait', async () => {
    const pool = new UpstreamPool({ dial: () => new Promise(() => undefined), limits: { waiting: 1 } });
    const first = pool.exchange(getRequest());

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code: 'pool-full' });

    first.abort();
    expect(pool.figures.waiting).toBe(0);
  });

  it('does not let an exchange wait longer than allowed', async () => {
    const { port, sockets } = await silentUpstream();
    // Connected before, so that the machine may be slow.
    const socket = await site.dial(port);
    const pool = new UpstreamPool({ dial: async () => socket, limits: { connections: 1, waitMs: 20 } });
    const first = pool.exchange(getRequest()).response;

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code: 'pool-timeout', isTimeout: true });

    sockets[0]?.write(ok);
    expect((await first).status).toBe(200);
    pool.close();
  });

  it('dials again after a refused connection', async () => {
    const port = await site.answering(ok);
    let dials = 0;
    const pool = new UpstreamPool({
      dial: async () => {
        dials += 1;
        if (dials === 1) throw new Error('refused');
        return site.dial(port);
      },
    });

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({
      code: 'connect-failed',
      cause: expect.objectContaining({ message: 'refused' }),
    });
    expect(await site.textOf(pool, getRequest())).toBe('200 ok');
    pool.close();
  });

  it('tells a dial that takes too long to stop', async () => {
    let signal: AbortSignal | undefined;
    const dial = (given: AbortSignal) => {
      signal = given;
      return new Promise<never>(() => undefined);
    };
    const pool = new UpstreamPool({ dial, limits: { connectMs: 10 } });

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code: 'connect-timeout' });

    expect(signal?.aborted).toBe(true);
    expect(pool.figures).toMatchObject({ dialling: 0, open: 0, waiting: 0 });
  });
});

describe('a kept connection that the upstream has closed', () => {
  /** Serves the first request of a connection, and cuts it at the second. */
  const cutting = () =>
    site.listen((socket) => {
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        if (requests === 1) socket.write(ok);
        else socket.destroy();
      });
    });

  it('costs an idempotent request nothing', async () => {
    const pool = site.poolTo(await cutting());

    expect(await site.textOf(pool, getRequest())).toBe('200 ok');
    expect(await site.textOf(pool, getRequest())).toBe('200 ok');
    const put = { ...post(whole('x')), method: 'PUT' };
    expect(await site.textOf(pool, put)).toBe('200 ok');
  });

  it('fails a POST, which may have taken effect', async () => {
    const pool = site.poolTo(await cutting());
    await site.textOf(pool, getRequest());

    await expect(site.textOf(pool, post(whole('x')))).rejects.toMatchObject({ code: 'connection-lost' });
  });

  it('fails a request whose body cannot be sent again', async () => {
    const pool = site.poolTo(await cutting());
    await site.textOf(pool, getRequest());
    const body = new SlowBody(10);

    await expect(site.textOf(pool, { ...post(body), method: 'PUT' })).rejects.toMatchObject({
      code: 'connection-lost',
    });
    expect(body.isCancelled).toBe(true);
  });

  it('is not tried a second time on a new connection', async () => {
    let connections = 0;
    const port = await site.listen((socket) => {
      connections += 1;
      socket.once('data', () => socket.destroy());
    });
    const pool = site.poolTo(port);

    await expect(site.textOf(pool, getRequest())).rejects.toMatchObject({ code: 'connection-lost' });
    expect(connections).toBe(1);
  });

  it('is closed by the pool itself after a while', async () => {
    const pool = site.poolTo(await site.answering(ok), { keepAliveMs: 10 });
    await site.textOf(pool, getRequest());

    await expect.poll(() => pool.figures.open).toBe(0);
  });
});

describe('an upstream that is slow', () => {
  it.each([
    ['says nothing', '', 'head-timeout'],
    ['drips its head', 'HTTP/1.1 2', 'head-timeout'],
  ])('gets no more time when it %s', async (_what, bytes, code) => {
    const pool = site.poolTo(await site.answering(bytes), { headMs: 20 });

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code, isTimeout: true });
    expect(pool.figures.open).toBe(0);
  });

  it('loses the connection when the body stops', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'), { idleMs: 20 });
    const { body } = await pool.exchange(getRequest()).response;

    await expect(received(body)).rejects.toMatchObject({ code: 'body-timeout', isTimeout: true });
  });

  it('loses the connection when nobody takes a body', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'), { idleMs: 20 });
    await pool.exchange(getRequest()).response;

    await expect.poll(() => pool.figures.open).toBe(0);
  });

  it('loses the connection when it takes no more of the request', async () => {
    const port = await site.listen((socket) => void socket.pause());
    const pool = site.poolTo(port, { idleMs: 50 });
    const body = new SlowBody(64 * 1024 * 1024);
    const exchange = pool.exchange(post(body));
    await expect.poll(() => body.sink).toBeDefined();
    body.sink?.write(Buffer.alloc(32 * 1024 * 1024));
    expect(body.sink?.flush()).toBe(false);

    await expect(exchange.response).rejects.toMatchObject({ code: 'send-timeout', isTimeout: true });
    expect(body.isCancelled).toBe(true);
  });
});

describe('a request that ends early', () => {
  it('is cut when it is aborted before the response', async () => {
    const { port, sockets, heard } = await silentUpstream();
    const pool = site.poolTo(port);
    const exchange = pool.exchange(getRequest());
    await expect.poll(heard).toContain('GET /');

    exchange.abort();

    await expect(exchange.response).rejects.toMatchObject({ code: 'request-aborted' });
    await expect.poll(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true).toBe(true);
    expect(pool.figures.open).toBe(0);
  });

  it('is cut, so that the upstream does not take it for whole, when its body fails', async () => {
    const { port, sockets, heard } = await silentUpstream();
    const pool = site.poolTo(port);
    const body = new SlowBody(undefined);
    const { response } = pool.exchange(post(body));
    await expect.poll(heard).toContain('Transfer-Encoding: chunked');

    body.sink?.write(Buffer.from('half'));
    body.sink?.flush();
    body.sink?.fail(new Error('the client has gone'));

    await expect(response).rejects.toMatchObject({ code: 'request-aborted' });
    await expect.poll(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true).toBe(true);
    expect(heard()).not.toContain('0\r\n\r\n');
  });

  it('gives back a response that came before its body was sent, and ends the connection', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig'));
    const body = new SlowBody(1_000);

    const response = await pool.exchange(post(body)).response;

    expect([response.status, await received(response.body)]).toEqual([413, 'big']);
    expect([body.isCancelled, pool.figures.open]).toEqual([true, 0]);
  });

  it('takes its place back when a body is not wanted to its end', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'));
    const exchange = pool.exchange(getRequest());
    await exchange.response;

    exchange.abort();

    await expect.poll(() => pool.figures.open).toBe(0);
  });
});

describe('an upgrade', () => {
  const request: OutgoingRequest = {
    ...getRequest('/ws?x=1'),
    fields: ['Host', 'up', 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
  };

  it('hands over the connection with what came on it already', async () => {
    const pool = site.poolTo(
      await site.answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello'),
    );

    const { status, tunnel } = await pool.upgrade(request).response;

    expect([status, tunnel?.head.toString()]).toEqual([101, 'hello']);
    expect(pool.figures).toMatchObject({ open: 0, upgraded: 1 });
    tunnel?.socket.destroy();
    await expect.poll(() => pool.figures.upgraded).toBe(0);
  });

  it('that is refused is a response like others, on a connection that then ends', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'));

    const { status, tunnel, body } = await pool.upgrade(request).response;

    expect([status, tunnel, await received(body)]).toEqual([401, undefined, 'no']);
    await expect.poll(() => pool.figures.upgraded).toBe(0);
  });

  it('is refused when too many are open', async () => {
    const pool = site.poolTo(await site.answering('HTTP/1.1 101 Switching Protocols\r\n\r\n'), { upgrades: 1 });
    const { tunnel } = await pool.upgrade(request).response;

    await expect(pool.upgrade(request).response).rejects.toMatchObject({ code: 'pool-full' });
    tunnel?.socket.destroy();
  });
});

describe('a pool that is closed', () => {
  it('lets the exchanges in hand end, and takes no more', async () => {
    const { port, sockets, heard } = await silentUpstream();
    const pool = site.poolTo(port);
    const inHand = site.textOf(pool, getRequest());
    await expect.poll(heard).toContain('GET /');

    pool.close();
    sockets[0]?.write(ok);

    expect(await inHand).toBe('200 ok');
    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code: 'pool-closed' });
    expect(pool.figures).toMatchObject({ open: 0, idle: 0 });
  });

  it('closes a connection that is dialled too late', async () => {
    const port = await site.answering(ok);
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    let socket: Socket | undefined;
    const pool = new UpstreamPool({
      dial: async () => {
        await arrived;
        socket = await site.dial(port);
        return socket;
      },
    });
    const { response } = pool.exchange(getRequest());

    pool.close();
    await expect(response).rejects.toMatchObject({ code: 'pool-closed' });
    arrive();

    await expect.poll(() => socket?.destroyed).toBe(true);
  });
});
