import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { closing, exchange, plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

const body = 'Content-Length: 4\r\n';
const unsound: readonly (readonly [name: string, request: string])[] = [
  [
    'Content-Length beside Transfer-Encoding',
    `POST / HTTP/1.1\r\nHost: a\r\n${body}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['two Content-Lengths', `POST / HTTP/1.1\r\nHost: a\r\n${body}Content-Length: 5\r\n\r\nabcde`],
  ['two equal Content-Lengths', `POST / HTTP/1.1\r\nHost: a\r\n${body}${body}\r\nabcd`],
  ['a signed Content-Length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
  ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n'],
  ['a bare CR', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n'],
  ['a NUL', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\u0000c\r\n\r\n'],
  ['bare LFs', 'GET / HTTP/1.1\nHost: a\n\n'],
  ['an unknown transfer coding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
  [
    'chunked not as the last coding',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  ],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['two equal Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
  [
    'two Hosts, the second behind 2,500 other headers',
    `GET / HTTP/1.1\r\nHost: a\r\n${'a:\r\n'.repeat(2500)}Host: b\r\n\r\n`,
  ],
  ['Transfer-Encoding in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['Transfer-Encoding in HTTP/0.9', 'POST / HTTP/0.9\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['HTTP/0.9 without a version', 'GET /\r\n\r\n'],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
  ['two Hosts and an unknown expectation', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nExpect: more\r\n\r\n'],
  ['an absolute target', 'GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a target without a slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['raw bytes in the target', 'GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n'],
];

/** Some of them leave the parser waiting for a body. */
const limits = { lingerMs: 50 };

describe('a request that two servers could read in two ways', () => {
  it.each(unsound)('gets 400 and a closed connection for %s, and no handler sees it', async (_, request) => {
    const seen: unknown[] = [];
    const { port } = await site.openListener(plain, {
      limits,
      handler: { http: (each) => seen.push(each.url) },
    });

    expect(await exchange(port, Buffer.from(request, 'latin1'))).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([]);
  });

  it.each(unsound)('gets the same over TLS for %s', async (_, request) => {
    const { port } = await site.openListener(serverOnly(), { limits });
    const socket = await site.openTls(port);
    let said = '';
    socket.on('data', (chunk) => {
      said += String(chunk);
    });
    socket.write(Buffer.from(request, 'latin1'));
    await closing(socket);

    expect(said).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each([
    ['without a body', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['with a body', `POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${body}\r\nabcd`],
  ])('takes what is pipelined behind it along, when it comes %s (RFC 9112 §9.6)', async (_, request) => {
    const seen: unknown[] = [];
    const { port } = await site.openListener(plain, { handler: { http: (each) => seen.push(each.url) } });

    const said = await exchange(port, `${request}DELETE /victim HTTP/1.1\r\nHost: a\r\n\r\n`);

    expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(seen).toEqual([]);
  });

  it('writes nothing into an answer that has begun, when it comes behind a good one', async () => {
    const { port } = await site.openListener(plain, {
      handler: { http: (_, response) => void response.writeHead(200, { 'content-length': 1000 }).write('begun') },
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const [begun] = await once(socket, 'data');

    socket.write('no HTTP\r\n\r\n');

    expect(String(begun)).toMatch(/^HTTP\/1\.1 200 [\s\S]*begun$/);
    expect(await text(socket)).toBe('');
  });

  it('is not waited for when its sender never hangs up', async () => {
    const { listener, port } = await site.openListener(plain, { limits });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => socket.destroy());
    socket.write('no HTTP\r\n\r\n');
    await once(socket, 'data');

    await expect.poll(() => listener.sessions).toEqual([]);
  });

  it('is not every chunked one', async () => {
    const { port } = await site.openListener(plain, {
      handler: { http: (request, response) => void text(request).then((sent) => response.end(`got ${sent}`)) },
    });
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';

    expect(await exchange(port, `${head}3\r\nabc\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*got abc$/);
  });

  it('gets no connection at all for CONNECT', async () => {
    const { port } = await site.openListener(plain);

    expect(await exchange(port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')).toBe('');
  });

  it('gets 417 for an expectation nobody can meet, and a closed connection', async () => {
    const { port } = await site.openListener(plain);
    const request = 'PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: more\r\n\r\nabc';

    const said = await exchange(port, request + request);

    expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 417']);
  });

  it('answers what is wrong as a problem document', async () => {
    const { port } = await site.openListener(plain);

    const said = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');

    expect(said.toLowerCase()).toContain('content-type: application/problem+json');
    expect(said).toContain('The request has more than one Host header. Send exactly one.');
  });
});
