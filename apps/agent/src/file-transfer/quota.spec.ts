import { once } from 'node:events';
import { mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { TestClock, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const block = 4096;
const blocks = (count: number) => Buffer.alloc(count * block);

describe('the storage quota', () => {
  const limits = { bytes: 10 * block };
  const full = (needed: number, used: number) =>
    `"foo" does not fit: it needs ${needed * block} bytes, the storage holds ${used * block} of its 40960. Delete files, or raise http.storage_quota.`;

  it.each([
    ['with a length', Buffer.alloc(5 * block + 1)],
    ['in chunks', [blocks(3), Buffer.alloc(2 * block + 1)]],
  ])('answers 507 to an upload %s that does not fit, and takes one that does', async (_, body) => {
    await using files = await ServedFiles.start({ limits });
    await files.put('/te/v1/files/a/b', blocks(4));
    const reply = await files.put('/te/v1/files/foo', body);
    expect([reply.status, reply.text]).toEqual([507, full(6, 5)]);
    expect(await files.entries()).toEqual(['a', 'a/b']);
    expect((await files.put('/te/v1/files/foo', blocks(5))).status).toBe(201);
  });

  it.each([0, 1, block])(
    'counts a file of %i bytes as a block, and each folder made for it as another',
    async (size) => {
      await using files = await ServedFiles.start({ limits });
      for (const name of ['a/b/c', 'd/e/f', 'g/h/i'])
        expect((await files.put(`/te/v1/files/${name}`, Buffer.alloc(size))).status).toBe(201);
      const reply = await files.put('/te/v1/files/foo/x', 'x');
      expect(reply.text).toBe(
        '"foo/x" does not fit: it needs 4096 bytes, the storage holds 40960 of its 40960. Delete files, or raise http.storage_quota.',
      );
      expect((await files.put('/te/v1/files/x', 'x')).status).toBe(201);
      expect(await files.entries()).toHaveLength(10);
    },
  );

  it('counts a file being replaced until its successor stands in its place', async () => {
    await using files = await ServedFiles.start({ limits });
    await files.put('/te/v1/files/foo', blocks(6));
    expect((await files.put('/te/v1/files/foo', blocks(5))).text).toBe(full(5, 6));
    expect((await files.put('/te/v1/files/foo', blocks(4))).status).toBe(201);
    expect((await files.put('/te/v1/files/foo', blocks(6))).status).toBe(201);
  });

  it('gives back what is deleted, and what an upload reserved that was refused or broken off', async () => {
    await using files = await ServedFiles.start({ limits });
    await files.put('/te/v1/files/foo', blocks(9));
    await files.delete('/te/v1/files/foo');
    await files.delete('/te/v1/files/foo');
    expect((await files.put('/te/v1/files/foo', blocks(11))).text).toBe(full(11, 0));
    const socket = connect(files.port, '127.0.0.1');
    socket.write(`PUT /te/v1/files/x HTTP/1.1\r\nHost: x\r\nContent-Length: ${9 * block}\r\n\r\nabc`);
    await expect.poll(async () => (await files.put('/te/v1/files/foo', blocks(2))).status).toBe(507);
    socket.destroy();
    await expect.poll(async () => (await files.put('/te/v1/files/foo', blocks(10))).status).toBe(201);
  });

  it('gives back the folders that a peer deletes', async () => {
    await using files = await ServedFiles.start({ limits });
    await files.put('/te/v1/files/a/b/c', 'x');
    for (const path of ['a/b/c', 'a/b', 'a']) expect((await files.delete(`/te/v1/files/${path}`)).status).toBe(202);
    expect((await files.put('/te/v1/files/foo', blocks(10))).status).toBe(201);
  });

  it('keeps what an upload announced while it is on its way to the disk', async () => {
    const mebibyte = 1024 * 1024;
    await using files = await ServedFiles.start({ limits: { bytes: 6 * mebibyte } });
    const socket = connect(files.port, '127.0.0.1');
    socket.write(
      `PUT /te/v1/files/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${4 * mebibyte}\r\n\r\n`,
    );
    socket.write(Buffer.alloc(3 * mebibyte));
    await expect.poll(async () => (await files.entries()).length).toBe(1);
    const [leftover = ''] = await files.entries();
    await expect.poll(async () => (await stat(join(files.directory, leftover))).size).toBeGreaterThan(0);
    expect((await files.put('/te/v1/files/foo', Buffer.alloc(3 * mebibyte))).status).toBe(507);
    socket.write(Buffer.alloc(mebibyte));
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 201 /);
  });

  it('lets no uploads side by side exceed it together', async () => {
    await using files = await ServedFiles.start({ limits: { bytes: 11 * block } });
    const names = Array.from({ length: 30 }, (_, index) => `f${index}`);
    const replies = await Promise.all(
      names.map((name, index) => {
        const body = Buffer.alloc(90);
        return files.put(`/te/v1/files/${name}`, index % 2 ? body : [body.subarray(0, 40), body.subarray(40)]);
      }),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(11);
    expect(replies.filter(({ status }) => status === 507)).toHaveLength(19);
    expect(await files.entries()).toHaveLength(11);
  });

  it('holds over a restart, counting files and folders and neither links nor leftovers', async () => {
    await using folder = temporaryDirectory();
    await mkdir(join(folder.path, 'a'));
    await writeFile(join(folder.path, 'a', 'b'), Buffer.alloc(400));
    await symlink('a/b', join(folder.path, 'link'));
    await writeFile(join(folder.path, '.tmp-0b7e3c1a-1111-4222-8333-123456789abc'), blocks(5));
    await using files = await ServedFiles.start({ directory: folder.path, limits });
    expect((await files.put('/te/v1/files/foo', blocks(9))).text).toBe(full(9, 2));
    expect((await files.put('/te/v1/files/foo', blocks(8))).status).toBe(201);
  });

  it('stays exact while uploads, deletions and new counts run side by side', async () => {
    const clock = new TestClock();
    // Each refusal is minutes after the last, so the storage is counted before each.
    const nowMs = () => {
      clock.advance(600);
      return clock.nowMs();
    };
    await using files = await ServedFiles.start({ limits: { bytes: 20 * block }, nowMs });
    await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        index % 4 === 3
          ? files.delete(`/te/v1/files/f${index % 7}`)
          : files.put(`/te/v1/files/f${index % 13}`, Buffer.alloc(50 + index * 100)),
      ),
    );
    // They may have filled the storage completely, and an empty file takes a block too.
    const [first] = await files.entries();
    await files.delete(`/te/v1/files/${first}`);
    const stored = (await Promise.all((await files.entries()).map((name) => stat(join(files.directory, name)))))
      .map(({ size }) => Math.ceil(size / block))
      .reduce((sum, count) => sum + count, 0);
    expect((await files.put('/te/v1/files/last', blocks(21 - stored))).status).toBe(507);
    expect((await files.put('/te/v1/files/last', blocks(20 - stored))).status).toBe(201);
  });

  it('notices in time what local processes add, even if a peer deletes it again', async () => {
    const clock = new TestClock();
    await using files = await ServedFiles.start({ limits, nowMs: clock.nowMs });
    for (const name of ['a', 'b']) {
      await writeFile(join(files.directory, name), blocks(9));
      expect((await files.delete(`/te/v1/files/${name}`)).status).toBe(202);
    }
    await writeFile(join(files.directory, 'local'), blocks(4));
    clock.advance(600);
    expect((await files.put('/te/v1/files/foo', blocks(7))).text).toBe(full(7, 4));
    expect((await files.put('/te/v1/files/foo', blocks(6))).status).toBe(201);
  });

  it('looks again before it refuses, for local processes delete files too', async () => {
    const clock = new TestClock();
    await using files = await ServedFiles.start({ limits, nowMs: clock.nowMs });
    await files.put('/te/v1/files/old', blocks(9));
    await rm(join(files.directory, 'old'));
    clock.advance(600);
    expect((await files.put('/te/v1/files/foo', blocks(9))).status).toBe(201);
  });
});

describe('the bound on files and folders', () => {
  it('answers 507 to one more of either, and says which setting', async () => {
    await using files = await ServedFiles.start({ limits: { entries: 4 } });
    expect((await files.put('/te/v1/files/a/b/c', '')).status).toBe(201);
    const deeper = await files.put('/te/v1/files/d/e', '');
    expect([deeper.status, deeper.text]).toEqual([
      507,
      '"d/e" does not fit: the storage holds 4 of its 4 files and folders. Delete some, or raise http.storage_entries.',
    ]);
    expect((await files.put('/te/v1/files/d', '')).status).toBe(201);
    expect((await files.put('/te/v1/files/e', '')).status).toBe(507);
    expect(await files.entries()).toEqual(['a', 'a/b', 'a/b/c', 'd']);
  });

  it('stops 155 requests for deep empty files long before they have taken thousands of inodes', async () => {
    await using files = await ServedFiles.start({ limits: { entries: 1000 }, durability: 'process-end' });
    const deep = (index: number) => `${index}/${'f/'.repeat(30)}x`;
    const replies = await Promise.all(
      Array.from({ length: 155 }, (_, index) => files.put(`/te/v1/files/${deep(index)}`, '')),
    );
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(31);
    expect(replies.filter(({ status }) => status === 507)).toHaveLength(124);
    expect(await files.entries()).toHaveLength(31 * 32);
  });

  it('counts the folders of an upload that found no place in the end', async () => {
    await using files = await ServedFiles.start({ limits: { entries: 5 } });
    await Promise.all([files.put('/te/v1/files/a/b', 'x'), files.put('/te/v1/files/a/b/c', 'x')]);
    await Promise.all([files.put('/te/v1/files/d', 'x'), files.put('/te/v1/files/d/e', 'x')]);
    expect((await files.entries()).length).toBeLessThanOrEqual(5);
  });
});
