import { afterEach, describe, expect, it } from 'vitest';
import { WireSite } from './wire-site.fixture.js';

const site = new WireSite();
afterEach(() => site.close());

const get = (lines: string) => `GET / HTTP/1.1\r\n${lines}\r\n`;
const post = (lines: string, body: string) => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`;
const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body);

const refused: readonly [what: string, bytes: string, status: number][] = [
  [
    'Content-Length and Transfer-Encoding',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    400,
  ],
  [
    'Transfer-Encoding and Content-Length',
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    400,
  ],
  ['two equal Content-Lengths', post('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'), 400],
  ['two different Content-Lengths', post('Content-Length: 1\r\nContent-Length: 2\r\n', 'xx'), 400],
  ['a list of equal lengths', post('Content-Length: 1, 1\r\n', 'x'), 400],
  ['a length with a sign', post('Content-Length: +4\r\n', 'xxxx'), 400],
  ['a negative length', post('Content-Length: -1\r\n', ''), 400],
  ['a hexadecimal length', post('Content-Length: 0x1\r\n', 'x'), 400],
  ['an empty length', post('Content-Length: \r\n', ''), 400],
  ['a length beyond all numbers', post('Content-Length: 9999999999999999\r\n', ''), 400],
  ['a space before the colon', get('Host : a\r\n'), 400],
  ['a folded line', get('Host: a\r\nX: 1\r\n 2\r\n'), 400],
  ['a first line that is folded', get(' Host: a\r\n'), 400],
  ['a bare CR in a value', get('Host: a\r\nX: 1\r2\r\n'), 400],
  ['NUL in a value', get('Host: a\r\nX: 1\0\r\n'), 400],
  ['NUL in a name', get('Host: a\r\nX\0: 1\r\n'), 400],
  ['a line without a colon', get('Host: a\r\nX\r\n'), 400],
  ['an empty name', get('Host: a\r\n: 1\r\n'), 400],
  ['bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  ['bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\n\r\n', 400],
  ['bare LF alone', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['no Host', get(''), 400],
  ['two different Hosts', get('Host: a\r\nHost: b\r\n'), 400],
  ['two equal Hosts', get('Host: a\r\nHost: a\r\n'), 400],
  ['a Host with a path', get('Host: a/b\r\n'), 400],
  ['a Host with user information', get('Host: me@a\r\n'), 400],
  ['an empty Host', get('Host: \r\n'), 400],
  ['Transfer-Encoding: xchunked', post('Transfer-Encoding: xchunked\r\n', ''), 501],
  ['Transfer-Encoding: chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', ''), 501],
  ['Transfer-Encoding: identity', post('Transfer-Encoding: identity\r\n', ''), 501],
  ['two Transfer-Encodings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 501],
  ['a coding with a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'), 400],
  ['Transfer-Encoding in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['a target in absolute form for another host', 'GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target with user information', 'GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target of another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target that is a fragment', 'GET http://a#/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target in authority form', 'CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a target in asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a raw byte in the target', 'GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['two spaces in the request line', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a space at the end of the request line', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  ['a tab in the request line', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['no version', 'GET /\r\nHost: a\r\n\r\n', 400],
  ['a method that is no token', 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a method without end', `${'G'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
  ['http/1.1 in small letters', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  ['an expectation that nobody knows', post('Content-Length: 1\r\nExpect: more\r\n', 'x'), 417],
  ['101 header fields', get(`Host: a\r\n${'X: 1\r\n'.repeat(100)}`), 431],
  ['a head of more than 16 KiB', get(`Host: a\r\nX: ${'x'.repeat(17_000)}\r\n`), 431],
  ['a request line without end', `GET /${'x'.repeat(17_000)}`, 431],
  ['the beginning of a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
];

const brokenBodies: readonly [what: string, bytes: string][] = [
  ['a chunk size with 0x', chunked('0x1\r\nx\r\n0\r\n\r\n')],
  ['a chunk size with a sign', chunked('+1\r\nx\r\n0\r\n\r\n')],
  ['a chunk size with a space before it', chunked(' 1\r\nx\r\n0\r\n\r\n')],
  ['a chunk size with a space behind it', chunked('1 \r\nx\r\n0\r\n\r\n')],
  ['no chunk size', chunked('\r\nx\r\n0\r\n\r\n')],
  ['a chunk size beyond all numbers', chunked('fffffffffffffff\r\nx')],
  ['a chunk that ends in bare LF', chunked('1\nx\n0\n\n')],
  ['a chunk that is longer than its size', chunked('1\r\nxy\r\n0\r\n\r\n')],
  ['bare LF in an extension', chunked('1;a\nb\r\nx\r\n0\r\n\r\n')],
  ['bare CR in an extension', chunked('1;a\rb\r\nx\r\n0\r\n\r\n')],
  ['bare LF after the last chunk', chunked('0\n\n')],
  ['a trailer without a colon', chunked('0\r\nX\r\n\r\n')],
  ['a folded trailer', chunked('0\r\nX: 1\r\n 2\r\n\r\n')],
  ['extensions without end', chunked(`1;${'x'.repeat(17_000)}`)],
  ['trailers without end', chunked(`0\r\n${'X: 1\r\n'.repeat(3_000)}`)],
];

describe('requests that two servers could read in two ways', () => {
  it.each(refused)('answers %s and ends the connection, and no handler sees it', async (_what, bytes, status) => {
    const seen: string[] = [];
    const port = await site.serve((request) => void seen.push(request.target));

    const heard = await site.exchange(port, `${bytes}GET /second HTTP/1.1\r\nHost: a\r\n\r\n`);

    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(heard).toContain('Connection: close\r\n');
    expect(heard.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(seen).toEqual([]);
  });

  it.each(brokenBodies)('answers 400 to a body with %s, and does not read on', async (_what, bytes) => {
    const [seen, failures]: [string[], string[]] = [[], []];
    const port = await site.serve(({ target, body }) => {
      seen.push(target);
      body.flow({
        write: () => undefined,
        flush: () => true,
        end: () => void failures.push('none'),
        fail: (error) => void failures.push(error.constructor.name),
      });
    });

    const heard = await site.exchange(port, `${bytes}GET /second HTTP/1.1\r\nHost: a\r\n\r\n`);

    expect(heard).toMatch(/^HTTP\/1\.1 4(?:00|31) /);
    expect(heard.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect([seen, failures]).toEqual([['/'], ['FramingError']]);
  });
});
