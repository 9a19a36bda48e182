import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const deprecationHeaders = {
  deprecation: 'true',
  sunset: 'Thu, 31 Dec 2025 23:59:59 GMT',
  link: '</te/v1/files>; rel="deprecation"',
};

describe('routes of the file transfer service', () => {
  it('serve the same files on the current and on the deprecated route', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo.txt', 'one');
    expect((await files.get('/tedge/file-transfer/foo.txt')).text).toBe('one');
    await files.put('/tedge/file-transfer/bar.txt', 'two');
    expect((await files.get('/te/v1/files/bar.txt')).text).toBe('two');
  });

  it.each([
    ['PUT', '/tedge/file-transfer/foo.txt', 201],
    ['DELETE', '/tedge/file-transfer/foo.txt', 202],
    ['GET', '/tedge/file-transfer/foo.txt', 404],
    ['HEAD', '/tedge/file-transfer/foo.txt', 404],
    ['PUT', '/tedge/file-transfer/.', 409],
    ['POST', '/tedge/file-transfer/foo.txt', 405],
  ])('announce the end of the deprecated route on %s %s, answered %i', async (method, path, status) => {
    await using files = await ServedFiles.start();
    const reply = await files.request(method, path);
    expect(reply.status).toBe(status);
    expect(reply.headers).toMatchObject(deprecationHeaders);
  });

  it('announce the end of the deprecated route on a download, too', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo.txt', 'one');
    const reply = await files.get('/tedge/file-transfer/foo.txt');
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject(deprecationHeaders);
  });

  it('say nothing of deprecation on the current route', async () => {
    await using files = await ServedFiles.start();
    const reply = await files.get('/te/v1/files/foo.txt');
    expect(reply.headers).not.toHaveProperty('deprecation');
    expect(reply.headers).not.toHaveProperty('sunset');
    expect(reply.headers).not.toHaveProperty('link');
  });

  it.each([
    '/te/v1/files',
    '/te/v1/files/',
    '/te/v1/files/?x=1',
    '/tedge/file-transfer',
    '/tedge/file-transfer/',
    '/',
    '/x',
    '/te/v1/filesfoo',
    '/TE/v1/files/x',
  ])('answer 404 with an empty body to %s', async (path) => {
    await using files = await ServedFiles.start();
    for (const method of ['GET', 'PUT', 'DELETE', 'POST']) {
      const reply = await files.request(method, path);
      expect([method, reply.status, reply.text]).toEqual([method, 404, '']);
    }
  });

  it.each(['POST', 'PATCH', 'OPTIONS', 'PROPFIND', 'MKCOL'])(
    'answer 405 to %s and name what is allowed',
    async (method) => {
      await using files = await ServedFiles.start();
      const reply = await files.request(method, '/te/v1/files/foo.txt', { body: 'ignored' });
      expect([reply.status, reply.text]).toEqual([405, '']);
      expect(reply.headers.allow).toBe('GET,HEAD,PUT,DELETE');
      expect(await files.entries()).toEqual([]);
    },
  );

  it('leave the query out of the path', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo.txt?version=1', 'one');
    expect(await files.entries()).toEqual(['foo.txt']);
    expect((await files.get('/te/v1/files/foo.txt?a=b#c')).text).toBe('one');
    expect((await files.get('/te/v1/files/foo.txt#c')).text).toBe('one');
  });

  it('serve the requests of one connection in their order, also when they do not wait for each other', async () => {
    await using files = await ServedFiles.start();
    const replies = await files.raw(
      'PUT /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nnew' +
        'GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n' +
        'DELETE /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n' +
        'GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(replies.match(/HTTP\/1\.1 \d+/g)).toEqual([201, 200, 202, 404].map((status) => `HTTP/1.1 ${status}`));
    expect(replies).toContain('\r\n\r\nnewHTTP/1.1 202 ');
  });

  it.each([
    ['a file', 200, 'GET /tedge/file-transfer/foo HTTP/1.1\r\nHost: x\r\n'],
    ['a part of it', 206, 'GET /tedge/file-transfer/foo HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n'],
    ['no change', 304, 'GET /tedge/file-transfer/foo HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n'],
    ['a stored file', 201, 'PUT /tedge/file-transfer/bar HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n'],
    ['a missing file', 404, 'GET /tedge/file-transfer/bar HTTP/1.1\r\nHost: x\r\n'],
    ['a method nobody serves', 405, 'POST /tedge/file-transfer/foo HTTP/1.1\r\nHost: x\r\n'],
    ['a range beyond the end', 416, 'GET /tedge/file-transfer/foo HTTP/1.1\r\nHost: x\r\nRange: bytes=9-\r\n'],
  ])('spell the names of their headers as the standards do: %s', async (_answer, status, request) => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'one');
    const [head = ''] = (await files.raw(`${request}Connection: close\r\n\r\n`)).split('\r\n\r\n');
    const [line, ...fields] = head.split('\r\n');
    expect(line).toContain(`HTTP/1.1 ${status} `);
    const names = fields.map((field) => field.slice(0, field.indexOf(':')));
    expect(names.filter((name) => !/^(?:[A-Z][a-z]*(?:-[A-Z][a-z]+)*|ETag)$/.test(name))).toEqual([]);
  });
});
