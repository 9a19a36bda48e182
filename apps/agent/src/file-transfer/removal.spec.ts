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

  it('answers 404 for a directory and for the root, and leaves them', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    for (const path of ['dir', 'dir/', '.']) {
      const reply = await files.delete(`/te/v1/files/${path}`);
      expect([reply.status, reply.text]).toEqual([404, `Not a file: "${path}" is a directory`]);
    }
    expect(await files.entries()).toEqual(['dir']);
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
