import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, exchange, get, identity, mutual, plain, Site, serverOnly } from './fixtures/site.js';
import type { Limits, SecureListenerOptions } from './index.js';

const site = new Site(onTestFinished);

/** The first bytes of a ClientHello that never goes on. */
const stalledHello = Buffer.from('160301', 'hex');

describe('a TLS port', () => {
  it.each([
    ['one byte of TLS', Buffer.from('16', 'hex'), 'handshake-timeout'],
    ['three bytes of a ClientHello', stalledHello, 'handshake-timeout'],
  ] as const)(
    'closes a connection that stalls after %s, when the handshake deadline is over',
    async (_, bytes, reason) => {
      const { port, firstRefusal } = await site.openListener(serverOnly(), { limits: { handshakeMs: 100 } });

      expect(await exchange(port, bytes)).toBe('');
      expect((await firstRefusal).reason).toBe(reason);
    },
  );

  it('closes a connection that says nothing, and counts it without calling it a refusal', async () => {
    const { listener, port, refusals } = await site.openListener(serverOnly(), { limits: { handshakeMs: 100 } });

    await closing(connect(port, '127.0.0.1'));

    await expect.poll(() => listener.counters.silent).toBe(1);
    expect(refusals).toEqual([]);
  });

  it.each([
    ['one byte that is not TLS', 'G'],
    ['half a request line', 'GET /'],
  ])('closes a connection that stalls after %s, when the header deadline is over', async (_, bytes) => {
    const limits = { headersMs: 100, headersCheckMs: 50 };
    const { port } = await site.openListener(serverOnly(), { limits });

    expect(await exchange(port, bytes)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it.each([
    ['a message of an unknown type', Buffer.from('1603010004ff000000', 'hex')],
    ['a TLS record of zeros', Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(0xffff)])],
  ])('refuses %s', async (_, bytes) => {
    const { port, firstRefusal } = await site.openListener(serverOnly());

    await exchange(port, bytes);

    expect((await firstRefusal).reason).toBe('handshake-failed');
  });

  it.each([
    ['binary garbage', Buffer.from('80ff00fe0d0a0d0a', 'hex')],
    ['text that is not HTTP', 'HELO example\r\n\r\n'],
    ['a NUL', Buffer.alloc(1)],
  ])('answers 400 to %s, and goes on serving', async (_, bytes) => {
    const { port } = await site.openListener(serverOnly());

    expect(await exchange(port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await get(`https://127.0.0.1:${port}/a`)).status).toBe(200);
  });

  it('survives a client that goes away in the middle of its handshake', async () => {
    const { port, firstRefusal } = await site.openListener(serverOnly());
    const socket = connect(port, '127.0.0.1');
    socket.end(stalledHello);
    await closing(socket);

    expect((await firstRefusal).reason).toBe('handshake-failed');
    expect((await get(`https://127.0.0.1:${port}/a`)).status).toBe(200);
  });

  it('survives a client that resets in the middle of its handshake', async () => {
    const { listener, port } = await site.openListener(serverOnly());
    const socket = connect(port, '127.0.0.1');
    await new Promise((done) => socket.write(stalledHello, done));
    socket.resetAndDestroy();

    expect((await get(`https://127.0.0.1:${port}/a`)).status).toBe(200);
    expect(listener.counters.handshakes).toBe(1);
  });

  it('does not let one stalled handshake hold up another', async () => {
    const { port } = await site.openListener(serverOnly());
    const stalled = connect(port, '127.0.0.1');
    onTestFinished(() => {
      stalled.destroy();
    });
    await new Promise((done) => stalled.write(stalledHello, done));

    expect((await get(`https://127.0.0.1:${port}/a`)).status).toBe(200);
  });

  it('refuses TLS 1.1', async () => {
    const { port, firstRefusal } = await site.openListener(serverOnly());
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;

    await expect(get(`https://127.0.0.1:${port}/`, old)).rejects.toThrow('protocol version');
    expect(await firstRefusal).toMatchObject({ reason: 'handshake-failed', detail: 'ERR_SSL_UNSUPPORTED_PROTOCOL' });
  });

  it('speaks HTTP/1.1 to clients that would rather have HTTP/2', async () => {
    const { port } = await site.openListener(serverOnly());

    const socket = await site.openTls(port, { ALPNProtocols: ['h2', 'http/1.1'] });

    expect(socket.alpnProtocol).toBe('http/1.1');
  });

  it('does not renegotiate', async () => {
    const { port } = await site.openListener(serverOnly());
    const socket = await site.openTls(port, { maxVersion: 'TLSv1.2' });

    const error = await new Promise((resolve) => {
      socket.on('error', resolve);
      socket.renegotiate({ rejectUnauthorized: false }, resolve);
    });

    expect(String(error)).toMatch(/no renegotiation/i);
  });
});

describe('a full listener', () => {
  it('refuses one connection more than it may hold, and takes it again when another has gone', async () => {
    const { port, firstRefusal } = await site.openListener(serverOnly(), { limits: { connections: 1 } });
    const first = await site.openTls(port);

    await expect(get(`https://127.0.0.1:${port}/`)).rejects.toThrow();
    expect((await firstRefusal).reason).toBe('too-many-connections');
    first.end('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume();
    await closing(first);
    expect((await get(`https://127.0.0.1:${port}/a`)).status).toBe(200);
  });

  it('counts per address, so one host cannot fill it', async () => {
    const { port, firstRefusal } = await site.openListener(serverOnly(), {
      host: '0.0.0.0',
      limits: { connectionsPerAddress: 1 },
    });
    await site.openTls(port);

    await expect(get(`https://127.0.0.1:${port}/`)).rejects.toThrow();
    expect((await firstRefusal).reason).toBe('too-many-connections');
    const elsewhere = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    expect((await site.openTls(port, { socket: elsewhere })).encrypted).toBe(true);
  });

  it('bounds the handshakes in progress', async () => {
    const { port, firstRefusal } = await site.openListener(serverOnly(), { limits: { concurrentHandshakes: 1 } });
    const stalled = connect(port, '127.0.0.1');
    onTestFinished(() => {
      stalled.destroy();
    });
    await new Promise((done) => stalled.write(stalledHello, done));

    await expect(get(`https://127.0.0.1:${port}/`)).rejects.toThrow();
    expect((await firstRefusal).reason).toBe('too-many-connections');
  });
});

describe('a flood of stalled handshakes', () => {
  it('from one address leaves half of the places to the others', async () => {
    const { port } = await site.openListener(serverOnly(), { host: '0.0.0.0', limits: { concurrentHandshakes: 4 } });
    for (const _ of [1, 2, 3, 4]) {
      const stalled = connect(port, '127.0.0.1');
      onTestFinished(() => {
        stalled.destroy();
      });
      stalled.on('error', () => stalled.destroy());
      await new Promise((done) => stalled.write(stalledHello, done));
    }

    const elsewhere = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });

    expect((await site.openTls(port, { socket: elsewhere })).encrypted).toBe(true);
  });
});

describe.each(['plain', 'mutual'] as const)('HTTP at level %s', (level) => {
  async function open(limits: Partial<Limits> = {}, more: Partial<SecureListenerOptions> = {}) {
    const ca = forgeCa('fleet');
    const opened = await site.openListener(level === 'plain' ? plain : mutual([ca]), { limits, ...more });
    const device = identity(forgeDevice('dev-1', ca));
    const speak = async (bytes: string) => {
      if (level === 'plain') return await exchange(opened.port, bytes);
      const socket = await site.openTls(opened.port, device);
      let said = '';
      socket.on('data', (chunk) => {
        said += String(chunk);
      });
      socket.write(bytes);
      await closing(socket);
      return said;
    };
    return { ...opened, speak };
  }

  it('answers 431 to 1 MB of headers, and closes', async () => {
    const { speak } = await open();

    const said = await speak(`GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${'x'.repeat(1024 * 1024)}\r\n\r\n`);

    expect(said).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  });

  it('answers 431 to a megabyte of small headers, and closes', async () => {
    const { speak } = await open();

    const said = await speak(`GET / HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(170_000)}\r\n`);

    expect(said).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('answers 408 to headers that do not end in time, and closes', async () => {
    const { speak, listener } = await open({ headersMs: 100, headersCheckMs: 50 });

    expect(await speak('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(listener.counters.faultyRequests).toBe(1);
  });

  it('ends a connection that has fallen silent in the middle of a body', async () => {
    const handler = { http: (request: IncomingMessage) => void request.resume() };
    const { speak } = await open({ idleMs: 100 }, { handler });

    expect(await speak('PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')).toBe('');
  });
});
