import { execFileSync } from 'node:child_process';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const lastYear = new Date('2025-03-04T05:06:07.500Z');

/** A service with one file, `foo`, that was last changed long ago. */
async function serveFoo(content: string | Buffer = '0123456789'): Promise<ServedFiles> {
  // Ten seconds later the file is old enough to be kept in memory, so a second request is served from memory.
  const files = await ServedFiles.start({ nowMs: () => Date.now() + 10_000 });
  await writeFile(join(files.directory, 'foo'), content);
  await utimes(join(files.directory, 'foo'), lastYear, lastYear);
  return files;
}

describe('GET and HEAD of a file', () => {
  it('answer with the file and all that a client needs to resume it', async () => {
    await using files = await serveFoo();
    const reply = await files.get('/te/v1/files/foo');
    expect([reply.status, reply.text]).toEqual([200, '0123456789']);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '10',
      'accept-ranges': 'bytes',
      'last-modified': 'Tue, 04 Mar 2025 05:06:07 GMT',
      'x-content-type-options': 'nosniff',
    });
    expect(reply.headers.etag).toMatch(/^"[0-9a-z-]+"$/);
    expect(reply.headers).not.toHaveProperty('transfer-encoding');
  });

  it('give HEAD the headers of GET and no body', async () => {
    await using files = await serveFoo();
    const whole = await files.get('/te/v1/files/foo');
    const head = await files.request('HEAD', '/te/v1/files/foo');
    const { date: _, ...expected } = whole.headers;
    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers).toMatchObject(expected);
  });

  it('answer 200 with an empty body for an empty file', async () => {
    await using files = await serveFoo('');
    const reply = await files.get('/te/v1/files/foo');
    expect([reply.status, reply.text, reply.headers['content-length']]).toEqual([200, '', '0']);
  });

  it.each([1, 64 * 1024, 64 * 1024 + 1, 1024 * 1024, 5 * 1024 * 1024 + 17])(
    'give back %i bytes as they were put',
    async (size) => {
      await using files = await ServedFiles.start();
      const content = Buffer.alloc(size, 'The quick brown fox. ');
      await files.put('/te/v1/files/foo', content);
      for (let turn = 0; turn < 3; turn += 1) {
        const reply = await files.get('/te/v1/files/foo');
        expect(reply.headers['content-length']).toBe(String(size));
        expect(reply.bytes.equals(content)).toBe(true);
      }
    },
  );

  it('answer 404 and quote the path for what does not exist, and for a directory', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    for (const path of ['missing', 'dir', 'dir/missing', 'dir/', '.', 'a/..']) {
      const reply = await files.get(`/te/v1/files/${path}`);
      expect([reply.status, reply.text]).toEqual([404, `File not found: "${path}"`]);
      expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8');
      const head = await files.request('HEAD', `/te/v1/files/${path}`);
      expect([head.status, head.text]).toEqual([404, '']);
    }
  });

  it('quote the path as it reads after percent-decoding, with control characters escaped', async () => {
    await using files = await ServedFiles.start();
    const reply = await files.get('/te/v1/files/gr%C3%BC%C3%9Fe%20%22x%22%0A');
    expect([reply.status, reply.text]).toEqual([404, 'File not found: "grüße \\"x\\"\\n"']);
  });

  it('answer 404 below a file, which is no folder', async () => {
    await using files = await serveFoo();
    expect((await files.get('/te/v1/files/foo/below')).status).toBe(404);
  });

  it('answer 404 for a named pipe and a socket, without waiting for its other end', async () => {
    await using files = await ServedFiles.start();
    execFileSync('mkfifo', [join(files.directory, 'pipe')]);
    const socket = createServer();
    await new Promise<void>((resolve) => socket.listen(join(files.directory, 'socket'), resolve));
    expect((await files.get('/te/v1/files/pipe')).status).toBe(404);
    expect((await files.get('/te/v1/files/socket')).status).toBe(404);
    await new Promise((resolve) => socket.close(resolve));
  });

  it('show at once what a local process changes or deletes', async () => {
    await using files = await serveFoo('first');
    expect((await files.get('/te/v1/files/foo')).text).toBe('first');
    expect((await files.get('/te/v1/files/foo')).text).toBe('first');
    await writeFile(join(files.directory, 'foo'), 'other');
    expect((await files.get('/te/v1/files/foo')).text).toBe('other');
    await files.delete('/te/v1/files/foo');
    expect((await files.get('/te/v1/files/foo')).status).toBe(404);
  });

  it('go on with the version they began with while it is replaced', async () => {
    await using files = await ServedFiles.start();
    const old = Buffer.alloc(8 * 1024 * 1024, 'old ');
    await files.put('/te/v1/files/foo', old);
    const reading = files.get('/te/v1/files/foo');
    await files.put('/te/v1/files/foo', 'new');
    const { bytes } = await reading;
    expect(bytes.equals(old) || bytes.equals(Buffer.from('new'))).toBe(true);
  });

  it('leave no listeners behind, however many buffers go out', async () => {
    await using files = await ServedFiles.start();
    await writeFile(join(files.directory, 'foo'), Buffer.alloc(24 * 1024 * 1024));
    const warnings: string[] = [];
    const note = ({ name }: Error) => warnings.push(name);
    process.on('warning', note);
    expect((await files.get('/te/v1/files/foo')).bytes).toHaveLength(24 * 1024 * 1024);
    process.off('warning', note);
    expect(warnings).not.toContain('MaxListenersExceededWarning');
  });

  it('break the connection when a file is cut short under a download, so that nobody takes it for whole', async () => {
    await using files = await ServedFiles.start();
    const path = join(files.directory, 'foo');
    await writeFile(path, Buffer.alloc(64 * 1024 * 1024));
    const reply = fetch(`${files.url}/te/v1/files/foo`);
    const reader = (await reply).body?.getReader();
    await reader?.read();
    await writeFile(path, '');
    const drain = async (): Promise<void> => {
      while (!(await reader?.read())?.done);
    };
    await expect(drain()).rejects.toThrow();
    expect(String(files.faults[0])).toMatch(/ended at byte \d+ while it was being sent/);
  });

  it('never claim a modification in the future', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'x');
    const future = new Date(Date.now() + 3_600_000);
    await utimes(join(files.directory, 'foo'), future, future);
    const { headers } = await files.get('/te/v1/files/foo');
    expect(Date.parse(headers['last-modified'] ?? '')).toBeLessThanOrEqual(Date.parse(headers.date ?? ''));
  });

  it('follow links that stay inside the storage', async () => {
    await using files = await serveFoo();
    await mkdir(join(files.directory, 'dir'));
    await symlink('../foo', join(files.directory, 'dir', 'link'));
    expect((await files.get('/te/v1/files/dir/link')).text).toBe('0123456789');
  });
});

describe('ranges (RFC 9110 §14)', () => {
  it.each([
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=0-9', '0123456789', 'bytes 0-9/10'],
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=7-99999999999999999999', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['Bytes= 1-2 ', '12', 'bytes 1-2/10'],
  ])('give %s its part, 206', async (range, text, contentRange) => {
    await using files = await serveFoo();
    for (let turn = 0; turn < 2; turn += 1) {
      const reply = await files.get('/te/v1/files/foo', { range });
      expect([reply.status, reply.text]).toEqual([206, text]);
      expect(reply.headers).toMatchObject({ 'content-range': contentRange, 'content-length': String(text.length) });
      expect(reply.headers.etag).toBeDefined();
    }
  });

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])('refuse %s, 416', async (range) => {
    await using files = await serveFoo();
    const reply = await files.get('/te/v1/files/foo', { range });
    expect(reply.status).toBe(416);
    expect(reply.headers['content-range']).toBe('bytes */10');
    expect(reply.text).toBe(`The file has 10 bytes; "${range}" asks for none of them.`);
  });

  it.each([
    'bytes=4-2',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'items=0-1',
    'bytes=0-1,3-4',
    'bytes=0-0,0-0,0-0',
    'bytes=+1-2',
    'bytes=1--2',
    '0-1',
  ])('give the whole file for %s', async (range) => {
    await using files = await serveFoo();
    const reply = await files.get('/te/v1/files/foo', { range });
    expect([reply.status, reply.text]).toEqual([200, '0123456789']);
  });

  it('are not for HEAD', async () => {
    await using files = await serveFoo();
    const reply = await files.request('HEAD', '/te/v1/files/foo', { headers: { range: 'bytes=0-1' } });
    expect([reply.status, reply.headers['content-length']]).toEqual([200, '10']);
  });

  it('give an empty file whole for a suffix, and 416 for a first byte', async () => {
    await using files = await serveFoo('');
    expect((await files.get('/te/v1/files/foo', { range: 'bytes=-5' })).status).toBe(200);
    expect((await files.get('/te/v1/files/foo', { range: 'bytes=0-' })).status).toBe(416);
  });

  it('serve parts of a large file, across the buffers it is read with', async () => {
    const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 31) % 253));
    await using files = await serveFoo(content);
    for (const [first, last] of [
      [0, 2_999_999],
      [1_048_575, 1_048_577],
      [500_000, 2_700_000],
      [2_999_999, 2_999_999],
    ] as const) {
      const reply = await files.get('/te/v1/files/foo', { range: `bytes=${first}-${last}` });
      expect(reply.status).toBe(206);
      expect(reply.bytes.equals(content.subarray(first, last + 1))).toBe(true);
    }
  });
});

describe('conditional GET (RFC 9110 §13)', () => {
  const changed = 'Tue, 04 Mar 2025 05:06:07 GMT';
  const before = 'Tue, 04 Mar 2025 05:06:06 GMT';

  it.each<[string, Record<string, string>, number]>([
    ['If-None-Match with the tag', { 'if-none-match': 'TAG' }, 304],
    ['If-None-Match with the weak tag', { 'if-none-match': 'W/TAG' }, 304],
    ['If-None-Match with a list', { 'if-none-match': '"a,b", TAG' }, 304],
    ['If-None-Match: *', { 'if-none-match': '*' }, 304],
    ['If-None-Match with another tag', { 'if-none-match': '"a"' }, 200],
    ['If-None-Match that is no list', { 'if-none-match': 'a' }, 200],
    ['If-None-Match over If-Modified-Since', { 'if-none-match': '"a"', 'if-modified-since': changed }, 200],
    ['If-Modified-Since the change', { 'if-modified-since': changed }, 304],
    ['If-Modified-Since the change, in RFC 850 form', { 'if-modified-since': 'Tuesday, 04-Mar-25 05:06:07 GMT' }, 304],
    ['If-Modified-Since the change, in asctime form', { 'if-modified-since': 'Tue Mar  4 05:06:07 2025' }, 304],
    ['If-Modified-Since before the change', { 'if-modified-since': before }, 200],
    ['If-Modified-Since that is no date', { 'if-modified-since': '1' }, 200],
    ['If-Match with the tag', { 'if-match': 'TAG' }, 200],
    ['If-Match: *', { 'if-match': '*' }, 200],
    ['If-Match with the weak tag', { 'if-match': 'W/TAG' }, 412],
    ['If-Match with another tag', { 'if-match': '"a"' }, 412],
    ['If-Match over If-Unmodified-Since', { 'if-match': 'TAG', 'if-unmodified-since': before }, 200],
    ['If-Unmodified-Since the change', { 'if-unmodified-since': changed }, 200],
    ['If-Unmodified-Since before the change', { 'if-unmodified-since': before }, 412],
    ['If-Match before If-None-Match', { 'if-match': '"a"', 'if-none-match': 'TAG' }, 412],
    ['Range with If-Range and the tag', { range: 'bytes=0-1', 'if-range': 'TAG' }, 206],
    ['Range with If-Range and the weak tag', { range: 'bytes=0-1', 'if-range': 'W/TAG' }, 200],
    ['Range with If-Range and another tag', { range: 'bytes=0-1', 'if-range': '"a"' }, 200],
    ['Range with If-Range and a date', { range: 'bytes=0-1', 'if-range': changed }, 200],
    ['Range out of bounds with If-Range and another tag', { range: 'bytes=99-', 'if-range': '"a"' }, 200],
    ['Range with If-None-Match and the tag', { range: 'bytes=0-1', 'if-none-match': 'TAG' }, 304],
  ])('answers %s', async (_, headers, status) => {
    await using files = await serveFoo();
    const tag = (await files.get('/te/v1/files/foo')).headers.etag ?? '';
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', tag)]),
    );
    for (const method of ['GET', ...('range' in headers ? [] : ['HEAD'])]) {
      const reply = await files.request(method, '/te/v1/files/foo', { headers: filled });
      expect([method, reply.status]).toEqual([method, status]);
    }
  });

  it('sends 304 with the tag, without body and length', async () => {
    await using files = await serveFoo();
    const reply = await files.get('/te/v1/files/foo', { 'if-none-match': '*' });
    expect([reply.status, reply.text]).toEqual([304, '']);
    expect(reply.headers.etag).toBe((await files.get('/te/v1/files/foo')).headers.etag);
    expect(reply.headers).not.toHaveProperty('content-length');
  });

  it('ignores conditions on what does not exist, 404', async () => {
    await using files = await ServedFiles.start();
    expect((await files.get('/te/v1/files/foo', { 'if-match': '*' })).status).toBe(404);
    expect((await files.get('/te/v1/files/foo', { 'if-none-match': '*' })).status).toBe(404);
  });
});
