import { afterEach, describe, expect, it } from 'vitest';
import { getRequest, PoolSite, received } from './pool-site.fixture.js';

const site = new PoolSite();
afterEach(() => site.close());

const ok = (fields: string, body = '') => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;
const chunked = (body: string) => ok('Transfer-Encoding: chunked\r\n', body);

const faultyHeads: readonly [what: string, bytes: string, code: string][] = [
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'response-malformed'],
  ['random bytes', '\x16\x03\x01\xff\0\x80\r\n\r\n', 'response-malformed'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'response-malformed'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'response-malformed'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'response-malformed'],
  ['status 600', 'HTTP/1.1 600 Odd\r\n\r\n', 'response-malformed'],
  ['status 099', 'HTTP/1.1 099 Odd\r\n\r\n', 'response-malformed'],
  ['a folded field', ok('X: 1\r\n 2\r\n'), 'response-malformed'],
  ['a space before the colon', ok('X : 1\r\n'), 'response-malformed'],
  ['NUL in a field', ok('X: \0\r\n'), 'response-malformed'],
  [
    'Content-Length and Transfer-Encoding',
    ok('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
    'response-malformed',
  ],
  ['two Content-Lengths', ok('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'), 'response-malformed'],
  ['a Content-Length with a sign', ok('Content-Length: +1\r\n', 'x'), 'response-malformed'],
  ['an unknown transfer coding', ok('Transfer-Encoding: gzip, chunked\r\n'), 'response-malformed'],
  [
    'Transfer-Encoding in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'response-malformed',
  ],
  ['a switch of protocols that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'response-malformed'],
  ['interim responses without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000), 'response-malformed'],
  ['10,000 fields', ok('X: 1\r\n'.repeat(10_000)), 'response-too-large'],
  ['201 short fields', ok('X: 1\r\n'.repeat(201)), 'response-too-large'],
  ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`, 'response-too-large'],
];

const faultyBodies: readonly [what: string, bytes: string, code: string][] = [
  ['a chunk size that is no number', chunked('zz\r\n'), 'response-malformed'],
  ['a chunk that is longer than its size', chunked('1\r\nxyz\r\n'), 'response-malformed'],
  ['a chunk that ends in bare LF', chunked('1\nx\n0\n\n'), 'response-malformed'],
  ['trailers without end', chunked(`0\r\n${'X: 1\r\n'.repeat(5_000)}`), 'response-too-large'],
];

const cutShort: readonly [what: string, bytes: string, code: string][] = [
  ['before the head', '', 'connection-lost'],
  ['inside the head', 'HTTP/1.1 200 OK\r\nContent-', 'response-incomplete'],
  ['inside a body with a length', ok('Content-Length: 10\r\n', 'half'), 'response-incomplete'],
  ['inside a chunk', chunked('a\r\nhalf'), 'response-incomplete'],
  ['before the last chunk', chunked('4\r\nhalf\r\n'), 'response-incomplete'],
];

describe('a cloud that breaks the rules', () => {
  it.each(faultyHeads)('is refused for %s, and its connection is not used again', async (_what, bytes, code) => {
    const pool = site.poolTo(await site.answering(bytes));

    await expect(pool.exchange(getRequest()).response).rejects.toMatchObject({ code });

    expect(pool.figures).toMatchObject({ open: 0, idle: 0, waiting: 0 });
  });

  it.each(faultyBodies)('ends the body at %s', async (_what, bytes, code) => {
    const pool = site.poolTo(await site.answering(bytes));
    const { body } = await pool.exchange(getRequest()).response;

    await expect(received(body)).rejects.toMatchObject({ code });

    expect(pool.figures).toMatchObject({ open: 0, idle: 0 });
  });

  it.each(cutShort)('is told apart when it ends the connection %s', async (_what, bytes, code) => {
    const port = await site.listen((socket) => void socket.once('data', () => socket.end(bytes, 'latin1')));
    const pool = site.poolTo(port);
    const whole = async () => received((await pool.exchange(getRequest()).response).body);

    await expect(whole()).rejects.toMatchObject({ code });

    expect(pool.figures).toMatchObject({ open: 0, idle: 0 });
  });

  it('does not give bytes behind a response to the next request', async () => {
    const pool = site.poolTo(
      await site.answering(`${ok('Content-Length: 1\r\n', 'a')}${ok('Content-Length: 1\r\n', 'b')}`),
    );

    const said = [await site.textOf(pool, getRequest()), await site.textOf(pool, getRequest())];

    expect(said).toEqual(['200 a', '200 a']);
    expect(pool.figures.open).toBe(0);
  });

  it('loses an idle connection on which it speaks unasked', async () => {
    const port = await site.listen((socket) => {
      socket.once('data', () => {
        socket.write(ok('Content-Length: 0\r\n'));
        setImmediate(() => socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n'));
      });
    });
    const pool = site.poolTo(port);

    await site.textOf(pool, getRequest());

    await expect.poll(() => pool.figures.open).toBe(0);
  });
});

describe('a response', () => {
  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 5],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', undefined],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 5],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', undefined],
  ])('to %s has no body where HTTP says so: %s', async (method, bytes, contentLength) => {
    const pool = site.poolTo(await site.answering(bytes));

    const response = await pool.exchange({ ...getRequest(), method }).response;

    expect([response.contentLength, response.body.length, await received(response.body)]).toEqual([
      contentLength,
      0,
      '',
    ]);
    expect(pool.figures).toMatchObject({ open: 1, idle: 1 });
  });

  it('without a length ends with its connection', async () => {
    const port = await site.listen((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'));
    });
    const pool = site.poolTo(port);

    expect(await site.textOf(pool, getRequest())).toBe('200 all of it');
    expect(pool.figures.open).toBe(0);
  });

  it('follows interim responses, which are left out', async () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n';
    const pool = site.poolTo(await site.answering(`${interim}${ok('Content-Length: 2\r\n', 'ok')}`));

    expect(await site.textOf(pool, getRequest())).toBe('200 ok');
  });

  it.each([
    ['Connection: close', `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`],
    ['HTTP/1.0', `HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n`],
  ])('with %s ends the use of its connection', async (_what, bytes) => {
    const pool = site.poolTo(await site.answering(bytes));

    await site.textOf(pool, getRequest());

    expect(pool.figures).toMatchObject({ open: 0, idle: 0 });
  });
});
