import { readFileSync } from 'node:fs';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const mebibyte = 1024 * 1024;

describe('PUT of a file', () => {
  it('answers 201 with an empty body, for a new file and for an overwritten one', async () => {
    await using files = await ServedFiles.start();
    const replies = [await files.put('/te/v1/files/foo.txt', 'one'), await files.put('/te/v1/files/foo.txt', 'two')];
    expect(replies.map(({ status, text }) => [status, text])).toEqual([
      [201, ''],
      [201, ''],
    ]);
    expect(await readFile(join(files.directory, 'foo.txt'), 'utf8')).toBe('two');
  });

  it.each([
    ['nothing', 0],
    ['one byte', 1],
    ['64 KiB', 64 * 1024],
    ['one byte more than 64 KiB', 64 * 1024 + 1],
    ['1 MiB', mebibyte],
    ['3 MiB and a byte', 3 * mebibyte + 1],
  ])('stores %s as it is, with a length and in chunks', async (_, length) => {
    await using files = await ServedFiles.start();
    const content = Buffer.from(Array.from({ length: length % mebibyte }, (__, index) => (index * 7) % 251));
    const body = Buffer.concat([content, Buffer.alloc(length - content.length, 'x')]);
    await files.put('/te/v1/files/whole', body);
    await files.put('/te/v1/files/chunked', [body.subarray(0, 10_000), body.subarray(10_000)]);
    expect(readFileSync(join(files.directory, 'whole')).equals(body)).toBe(true);
    expect(readFileSync(join(files.directory, 'chunked')).equals(body)).toBe(true);
    expect(await files.entries()).toEqual(['chunked', 'whole']);
  });

  it('stores a body that comes in 5000 chunks of one byte', async () => {
    await using files = await ServedFiles.start();
    const chunks = Array.from({ length: 5_000 }, (_, index) => Buffer.from([index % 256]));
    expect((await files.put('/te/v1/files/foo', chunks)).status).toBe(201);
    expect(readFileSync(join(files.directory, 'foo')).equals(Buffer.concat(chunks))).toBe(true);
  });

  it('makes one folder for twenty uploads that need it at the same time', async () => {
    await using files = await ServedFiles.start();
    const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
    const replies = await Promise.all(names.map((name) => files.put(`/te/v1/files/a/b/${name}`, name)));
    expect(replies.map(({ status }) => status)).toEqual(names.map(() => 201));
    expect(await files.entries()).toEqual(['a', 'a/b', ...names.map((name) => `a/b/${name}`).sort()]);
  });

  it('takes a/b/ for a/b', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a/b/', 'content');
    expect(await files.entries()).toEqual(['a', 'a/b']);
    expect((await files.get('/te/v1/files/a/b/')).text).toBe('content');
  });

  it.each(['application/json', 'text/plain', 'multipart/mixed; boundary=x', 'application/x-www-form-urlencoded'])(
    'stores a body of type %s as it is',
    async (type) => {
      await using files = await ServedFiles.start();
      await files.put('/te/v1/files/foo', '--x\r\n\r\n--x--', { 'content-type': type, 'content-encoding': 'gzip' });
      expect((await files.get('/te/v1/files/foo')).text).toBe('--x\r\n\r\n--x--');
    },
  );

  it('answers 400 to a part of a file, which would otherwise pass for the whole', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', '0123');
    const reply = await files.put('/te/v1/files/foo', '4567', { 'content-range': 'bytes 4-7/8' });
    expect([reply.status, reply.text]).toEqual([
      400,
      '"foo" cannot be put in parts (Content-Range). Send the whole file, with curl without -C.',
    ]);
    expect((await files.get('/te/v1/files/foo')).text).toBe('0123');
  });

  it('answers 409 when the target is a directory, whatever the size of the body', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    for (const size of [0, 10, 2 * mebibyte]) {
      const reply = await files.put('/te/v1/files/dir', Buffer.alloc(size));
      expect([reply.status, reply.text]).toEqual([409, 'Not a file: "dir" is a directory']);
      expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8');
    }
    expect(await files.entries()).toEqual(['dir']);
  });

  it.each([10, 2 * mebibyte])('answers 409 when the target is a link to a directory (%i bytes)', async (size) => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    await symlink('dir', join(files.directory, 'link'));
    const reply = await files.put('/te/v1/files/link', Buffer.alloc(size));
    expect([reply.status, reply.text]).toEqual([409, 'Not a file: "link" is a directory']);
    expect(await files.entries()).toEqual(['dir', 'link']);
  });

  it('answers 409 for the root itself', async () => {
    await using files = await ServedFiles.start();
    const reply = await files.put('/te/v1/files/.', 'x');
    expect([reply.status, reply.text]).toEqual([409, 'Not a file: "." is a directory']);
  });

  it.each([
    ['file/below', 10],
    ['file/below', 2 * mebibyte],
    ['file/far/below', 10],
    ['link/below', 10],
  ])('answers 409 with the path when a file stands where a folder is needed (%s, %i bytes)', async (path, size) => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/file', 'kept');
    await symlink('file', join(files.directory, 'link'));
    const reply = await files.put(`/te/v1/files/${path}`, Buffer.alloc(size));
    expect([reply.status, reply.text]).toEqual([
      409,
      `Cannot store "${path}": a part of this path is a file, and nothing can lie below a file. Delete that file, or use another path.`,
    ]);
    // Any client can cause this, so it must not be logged as an error.
    expect(files.faults).toEqual([]);
    expect((await files.get('/te/v1/files/file')).text).toBe('kept');
    expect(await files.entries()).toEqual(['file', 'link']);
  });

  it('replaces a link by the file, and leaves alone what the link pointed to', async () => {
    await using files = await ServedFiles.start();
    await writeFile(join(files.directory, 'target'), 'kept');
    await symlink('target', join(files.directory, 'link'));
    await files.put('/te/v1/files/link', 'new');
    expect((await files.get('/te/v1/files/link')).text).toBe('new');
    expect((await files.get('/te/v1/files/target')).text).toBe('kept');
  });

  it('gives each of 200 uploads of the same size at the same time a tag of its own', async () => {
    const { nowMs } = new TestClock(new Date('2026-11-22T00:00:00Z'));
    await using files = await ServedFiles.start({ durability: 'process-end', nowMs });
    const tags = new Set<string>();
    for (let index = 0; index < 200; index += 1) {
      await files.put('/te/v1/files/foo', String(1000 + index));
      tags.add((await files.get('/te/v1/files/foo')).headers.etag ?? '');
    }
    expect(tags.size).toBe(200);
  });

  it('dates uploads by the clock again when it is set back', async () => {
    const clock = new TestClock(new Date('2040-01-01T00:00:00Z'));
    await using files = await ServedFiles.start({ nowMs: clock.nowMs });
    await files.put('/te/v1/files/foo', 'x');
    clock.set(new Date('2026-01-01T00:00:00Z'));
    await files.put('/te/v1/files/foo', 'x');
    expect((await stat(join(files.directory, 'foo'))).mtime).toEqual(new Date('2026-01-01T00:00:00Z'));
  });

  it('gives a file a tag that outlives the service', async () => {
    await using first = await ServedFiles.start();
    await first.put('/te/v1/files/foo', 'x');
    const { etag } = (await first.get('/te/v1/files/foo')).headers;
    await using second = await ServedFiles.start({ directory: first.directory });
    expect((await second.get('/te/v1/files/foo')).headers.etag).toBe(etag);
    expect((await second.request('HEAD', '/te/v1/files/foo')).headers.etag).toBe(etag);
  });

  it('shows to readers beside it the whole old or the whole new content, never a mixture', async () => {
    await using files = await ServedFiles.start();
    const contents = ['a', 'b', 'c', 'd'].map((letter) => Buffer.alloc(mebibyte, letter));
    await files.put('/te/v1/files/foo', contents[0]);
    const writes = Array.from({ length: 8 }, (_, index) => files.put('/te/v1/files/foo', contents[index % 4]));
    const reads = Array.from({ length: 24 }, () => files.get('/te/v1/files/foo'));
    await Promise.all(writes);
    for (const { status, bytes } of await Promise.all(reads)) {
      expect(status).toBe(200);
      expect(contents.some((content) => content.equals(bytes))).toBe(true);
    }
    expect(await files.entries()).toEqual(['foo']);
  });
});

describe('conditional PUT (RFC 9110 §13)', () => {
  const write = async (headers: Record<string, string>, size = 3) => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/present', 'old');
    const tag = (await files.get('/te/v1/files/present')).headers.etag ?? '';
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', tag)]),
    );
    const present = await files.put('/te/v1/files/present', Buffer.alloc(size, 'n'), filled);
    const absent = await files.put('/te/v1/files/absent', Buffer.alloc(size, 'n'), filled);
    const content = (await files.get('/te/v1/files/present')).text;
    return { present: present.status, absent: absent.status, isReplaced: content !== 'old' };
  };

  it.each([
    ['If-None-Match: *', { 'if-none-match': '*' }, { present: 412, absent: 201, isReplaced: false }],
    ['If-Match: *', { 'if-match': '*' }, { present: 201, absent: 412, isReplaced: true }],
    ['If-Match with the present tag', { 'if-match': '"x", TAG' }, { present: 201, absent: 412, isReplaced: true }],
    ['If-Match with another tag', { 'if-match': '"x"' }, { present: 412, absent: 412, isReplaced: false }],
    ['If-Match with the present tag, weak', { 'if-match': 'W/TAG' }, { present: 412, absent: 412, isReplaced: false }],
    ['If-Match that is no list of tags', { 'if-match': 'x' }, { present: 412, absent: 412, isReplaced: false }],
    [
      'If-None-Match with the present tag',
      { 'if-none-match': 'TAG' },
      { present: 412, absent: 201, isReplaced: false },
    ],
    ['If-None-Match with another tag', { 'if-none-match': '"x"' }, { present: 201, absent: 201, isReplaced: true }],
    [
      'If-None-Match that is no list of tags',
      { 'if-none-match': 'x' },
      { present: 412, absent: 412, isReplaced: false },
    ],
    [
      'If-Unmodified-Since long ago',
      { 'if-unmodified-since': 'Sat, 01 Jan 2000 00:00:00 GMT' },
      { present: 412, absent: 201, isReplaced: false },
    ],
    [
      'If-Unmodified-Since in the future',
      { 'if-unmodified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' },
      { present: 201, absent: 201, isReplaced: true },
    ],
    [
      'If-Unmodified-Since that is no date',
      { 'if-unmodified-since': 'yesterday' },
      { present: 201, absent: 201, isReplaced: true },
    ],
  ])('judges %s', async (_, headers, outcome) => {
    expect(await write(headers)).toEqual(outcome);
    expect(await write(headers, 2 * mebibyte)).toEqual(outcome);
  });

  it('lets one of twenty writers create a file with If-None-Match: *', async () => {
    await using files = await ServedFiles.start();
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => files.put('/te/v1/files/foo', String(index), { 'if-none-match': '*' })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 19 }, () => 412)]);
    const winner = replies.findIndex(({ status }) => status === 201);
    expect((await files.get('/te/v1/files/foo')).text).toBe(String(winner));
  });

  it('says which condition kind failed and on which file', async () => {
    await using files = await ServedFiles.start();
    const reply = await files.put('/te/v1/files/a/foo', 'x', { 'if-match': '*' });
    expect(reply.text).toBe(
      '"a/foo" is not in the state that If-Match, If-None-Match or If-Unmodified-Since asks for.',
    );
    expect(await files.entries()).toEqual([]);
  });
});
