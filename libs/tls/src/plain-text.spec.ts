import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa } from './fixtures/forge.js';
import { closing, exchange, get, mutual, plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

const headOf = (said: string) => said.split('\r\n\r\n')[0] ?? '';

describe('plain HTTP on a TLS port', () => {
  it.each([
    ['server', () => serverOnly()],
    ['mutual', () => mutual([forgeCa('fleet')])],
  ] as const)('is sent to the same path over https at level %s, and reaches no handler', async (level, security) => {
    const { listener, port } = await site.openListener(security());

    const answer = await get(`http://127.0.0.1:${port}/tedge/file-transfer/foo.txt?v=1`);

    expect(listener.level).toBe(level);
    expect(answer.status).toBe(307);
    expect(answer.headers.location).toBe(`https://127.0.0.1:${port}/tedge/file-transfer/foo.txt?v=1`);
    expect(answer.headers.connection).toBe('close');
    expect(listener.counters).toMatchObject({ redirected: 1, plainOnTls: 1, handshakes: 0 });
  });

  it.each(['rpi4.local:8000', '[fe80::1]:8000', 'tedge_agent', '192.168.1.6'])(
    'keeps the host %s of the request in the Location',
    async (host) => {
      const { port } = await site.openListener(serverOnly());

      const said = await exchange(port, `PUT /a HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\n\r\nabc`);

      expect(headOf(said)).toMatch(/^HTTP\/1\.1 307 /);
      expect(headOf(said)).toContain(`Location: https://${host}/a`);
    },
  );

  it('answers before a large body has been sent', async () => {
    const { port } = await site.openListener(serverOnly());
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\nfirst bytes');

    const [chunk] = await once(socket, 'data');

    expect(String(chunk)).toMatch(/^HTTP\/1\.1 307 /);
  });

  it('does not read more than a little of a body nobody wants', async () => {
    const { port } = await site.openListener(serverOnly(), { limits: { lingerMs: 3_600_000 } });
    const socket = connect(port, '127.0.0.1');
    const closed = closing(socket);
    socket.resume();
    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n');
    socket.write(Buffer.alloc(2 * 1024 * 1024));

    await closed;
  });

  it('does not ask for a body it will not read', async () => {
    const { port } = await site.openListener(serverOnly(), { limits: { lingerMs: 50 } });

    const said = await exchange(
      port,
      'PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n',
    );

    expect(said).toMatch(/^HTTP\/1\.1 307 /);
  });

  it.each([
    ['no Host', 'GET /a HTTP/1.1\r\n\r\n'],
    ['no Host in HTTP/1.0', 'GET /a HTTP/1.0\r\n\r\n'],
    ['two Hosts', 'GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['an empty Host', 'GET /a HTTP/1.1\r\nHost:\r\n\r\n'],
    ['a Host with a path', 'GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    ['a Host with user info', 'GET /a HTTP/1.1\r\nHost: me@evil.example\r\n\r\n'],
    ['a Host with a bare CR', 'GET /a HTTP/1.1\r\nHost: a\rSet-Cookie: x=1\r\n\r\n'],
    ['a Host with an encoded line feed', 'GET /a HTTP/1.1\r\nHost: a%0d%0aX: y\r\n\r\n'],
    ['a full URL as target', 'GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('answers 400 to a request with %s, and echoes nothing of it', async (_, request) => {
    const { port } = await site.openListener(serverOnly());

    const said = await exchange(port, request);

    expect(headOf(said)).toMatch(/^HTTP\/1\.1 400 /);
    expect(headOf(said).toLowerCase()).not.toMatch(/location|set-cookie|evil/);
  });

  it('tells a client without Host to use HTTPS', async () => {
    const { port } = await site.openListener(serverOnly());

    expect(await exchange(port, 'GET /a HTTP/1.0\r\n\r\n')).toContain('This port speaks HTTPS.');
  });

  it('reads a request that comes one byte at a time', async () => {
    const { port } = await site.openListener(serverOnly());
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const answered = once(socket, 'data');
    for (const byte of 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n') await new Promise((done) => socket.write(byte, done));

    expect(String((await answered)[0])).toMatch(/^HTTP\/1\.1 307 /);
  });
});

describe('TLS on a plain port', () => {
  it('is answered with an HTTP 400 that names the right scheme, and closed', async () => {
    const { listener, port } = await site.openListener(plain);
    const clientHello = Buffer.from('16030100050100000100', 'hex');

    const said = await exchange(port, clientHello);

    expect(said).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(said).toContain('This port speaks plain HTTP. Use http:// instead of https://.');
    expect(listener.counters.tlsOnPlain).toBe(1);
    expect(listener.sessions).toEqual([]);
  });
});

describe('plain HTTP on a plain port', () => {
  it('is served, with no peer', async () => {
    const { listener, port } = await site.openListener(plain);

    expect((await get(`http://127.0.0.1:${port}/a`)).body).toBe('served /a');
    expect(listener.level).toBe('plain');
  });
});
