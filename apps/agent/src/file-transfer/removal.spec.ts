import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

describe('DELETE of a file', () => {
  it('answers 202 with an empty body, whether or not the file existed', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'x');
    for (let turn = 0; turn < 2; turn += 1) {
      const reply = await files.delete('/te/v1/files/foo');
      expect([reply.status, reply.text]).toEqual([202, '']);
    }
    expect((await files.get('/te/v1/files/foo')).status).toBe(404);
  });

  it('leaves the empty folders behind', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a/b/foo', 'x');
    await files.delete('/te/v1/files/a/b/foo');
    expect(await files.entries()).toEqual(['a', 'a/b']);
  });

  it('answers 202 where a folder, or a file in the place of a folder, is on the way', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'x');
    expect((await files.delete('/te/v1/files/missing/foo')).status).toBe(202);
    expect((await files.delete('/te/v1/files/foo/below')).status).toBe(202);
    expect(await files.entries()).toEqual(['foo']);
  });

  it('removes an empty folder, and answers 202 as for a file', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a/b/foo', 'x');
    for (const path of ['a/b/foo', 'a/b/', 'a/b', 'a']) {
      const reply = await files.delete(`/te/v1/files/${path}`);
      expect([path, reply.status, reply.text]).toEqual([path, 202, '']);
    }
    expect(await files.entries()).toEqual([]);
    expect((await files.put('/te/v1/files/a/b/foo', 'x')).status).toBe(201);
  });

  it('answers 409 for a folder with something in it, and 404 for the root, and leaves them', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    await writeFile(join(files.directory, 'dir', 'foo'), 'x');
    const full = await files.delete('/te/v1/files/dir/');
    expect([full.status, full.text]).toEqual([
      409,
      'Not empty: "dir/" is a directory with something in it. Delete that first; an upload still under way ends by itself.',
    ]);
    const root = await files.delete('/te/v1/files/.');
    expect([root.status, root.text]).toEqual([404, 'Not a file: "." is a directory']);
    expect(await files.entries()).toEqual(['dir', 'dir/foo']);
    expect(files.faults).toEqual([]);
  });

  it('takes no folder away from an upload under way', async () => {
    await using files = await ServedFiles.start();
    await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        index % 2 ? files.delete('/te/v1/files/a/b') : files.put('/te/v1/files/a/b/foo', 'x'),
      ),
    );
    await Promise.all(
      Array.from({ length: 120 }, (_, index) => {
        if (index % 3 === 0) return files.put(`/te/v1/files/a/b/${index}`, 'x');
        return files.delete(index % 3 === 1 ? `/te/v1/files/a/b/${index - 1}` : '/te/v1/files/a/b');
      }),
    );
    expect(files.faults).toEqual([]);
  });

  it('removes a link, and leaves what it points to', async () => {
    await using files = await ServedFiles.start();
    await writeFile(join(files.directory, 'target'), 'kept');
    await symlink('target', join(files.directory, 'link'));
    expect((await files.delete('/te/v1/files/link')).status).toBe(202);
    expect(await readFile(join(files.directory, 'target'), 'utf8')).toBe('kept');
    expect(await files.entries()).toEqual(['target']);
  });

  it('answers 202 to two who remove one file at the same time, also under two names', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    await symlink('dir', join(files.directory, 'link'));
    for (let turn = 0; turn < 50; turn += 1) {
      await writeFile(join(files.directory, 'dir', 'foo'), 'x');
      const replies = await Promise.all(['dir', 'link'].map((name) => files.delete(`/te/v1/files/${name}/foo`)));
      expect(replies.map(({ status }) => status)).toEqual([202, 202]);
    }
    expect(files.faults).toEqual([]);
  });

  it.each([
    ['If-Match with the tag', { 'if-match': 'TAG' }, 202, 412],
    ['If-Match with another tag', { 'if-match': '"a"' }, 412, 412],
    ['If-None-Match: *', { 'if-none-match': '*' }, 412, 202],
  ])('judges %s', async (_, headers, present, absent) => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'x');
    const tag = (await files.get('/te/v1/files/foo')).headers.etag ?? '';
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', tag)]),
    );
    expect((await files.delete('/te/v1/files/foo', filled)).status).toBe(present);
    expect((await files.delete('/te/v1/files/bar/foo', filled)).status).toBe(absent);
    expect(await files.entries()).toEqual(present === 202 ? [] : ['foo']);
  });
});
