import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const mebibyte = 1024 * 1024;

describe('the size limit of an upload', () => {
  const tooLarge = '"foo" is too large: the limit is 1000 bytes a file (http.max_upload_size).';

  it('lets a file of just that size in, however it comes', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 1000 });
    const content = Buffer.alloc(1000);
    const form = Buffer.concat([
      Buffer.from('--XX\r\nContent-Disposition: form-data; filename=a\r\n\r\n'),
      content,
      Buffer.from('\r\n--XX--'),
    ]);
    expect((await files.put('/te/v1/files/foo', content)).status).toBe(201);
    expect((await files.put('/te/v1/files/foo', [content])).status).toBe(201);
    const type = { 'content-type': 'multipart/form-data; boundary=XX' };
    expect((await files.put('/te/v1/files/foo', form, type)).status).toBe(201);
    expect((await files.get('/te/v1/files/foo')).bytes).toHaveLength(1000);
  });

  it.each([
    ['announced by its length', Buffer.alloc(1001)],
    ['in chunks', [Buffer.alloc(600), Buffer.alloc(600)]],
    ['much larger, announced', Buffer.alloc(3 * mebibyte)],
    ['much larger, in chunks', Array.from({ length: 48 }, () => Buffer.alloc(65_536))],
  ])('answers 413 to a larger file %s and keeps the old one', async (_, body) => {
    await using files = await ServedFiles.start({ maxUploadBytes: 1000 });
    await files.put('/te/v1/files/foo', 'old');
    const reply = await files.put('/te/v1/files/foo', body);
    expect([reply.status, reply.text]).toEqual([413, tooLarge]);
    expect((await files.get('/te/v1/files/foo')).text).toBe('old');
    expect(await files.entries()).toEqual(['foo']);
  });

  it('answers 413 to a larger file in a form', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 1000 });
    const type = { 'content-type': 'multipart/form-data; boundary=XX' };
    const head = '--XX\r\nContent-Disposition: form-data; filename=a\r\n\r\n';
    const reply = await files.put('/te/v1/files/foo', `${head}${'x'.repeat(1001)}\r\n--XX--`, type);
    expect([reply.status, reply.text]).toEqual([413, tooLarge]);
    expect(await files.entries()).toEqual([]);
  });

  it('is told also when somebody removed the folder of the upload meanwhile', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 2 * mebibyte });
    await files.put('/te/v1/files/dir/other', 'x');
    const socket = connect(files.port, '127.0.0.1');
    socket.write('PUT /te/v1/files/dir/foo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(mebibyte), Buffer.from('\r\n')]);
    socket.write(chunk);
    await expect.poll(() => readdir(join(files.directory, 'dir'))).toHaveLength(2);
    await rm(join(files.directory, 'dir'), { recursive: true });
    socket.write(chunk);
    socket.write(chunk);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it('answers before the body is sent, and ends the connection of a client that sends on regardless', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 1000 });
    const socket = connect(files.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`PUT /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nContent-Length: ${100 * mebibyte}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n[\s\S]*\r\n\r\n"foo" is too large/);
    const isOver = new Promise((resolve) => socket.once('close', resolve));
    const piece = Buffer.alloc(mebibyte);
    const sendOn = (): void => {
      if (!socket.destroyed) socket.write(piece, sendOn);
    };
    sendOn();
    await isOver;
    expect(socket.bytesWritten).toBeLessThan(100 * mebibyte);
  });

  it('keeps the connection of a client whose refused body is small', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 10 });
    const replies = await files.raw(
      'PUT /te/v1/files/a HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n01234567890123456789' +
        'PUT /te/v1/files/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    );
    expect(replies.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 201']);
  });
});

describe('a full disk', () => {
  // Only root may mount a small disk.
  it.runIf(process.getuid?.() === 0)('is answered 507, with nothing lost and nothing left behind', async () => {
    await using folder = temporaryDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder.path]);
    try {
      await using files = await ServedFiles.start({ directory: folder.path });
      const kept = Buffer.alloc(3 * mebibyte, 'k');
      expect((await files.put('/te/v1/files/kept', kept)).status).toBe(201);
      for (const body of [Buffer.alloc(8 * mebibyte), Array.from({ length: 64 }, () => Buffer.alloc(65_536))]) {
        const reply = await files.put('/te/v1/files/kept', body);
        expect([reply.status, reply.text]).toEqual([
          507,
          'No space left to store "kept"; nothing was changed. Delete files, or make room on the disk.',
        ]);
      }
      expect((await files.get('/te/v1/files/kept')).bytes.equals(kept)).toBe(true);
      expect(await files.entries()).toEqual(['kept']);
      await files.delete('/te/v1/files/kept');
      expect((await files.put('/te/v1/files/foo', kept)).status).toBe(201);
    } finally {
      execFileSync('umount', ['-l', folder.path]);
    }
  });
});

/** The number of open descriptors of a file in this process. */
async function descriptorsOf(path: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(join('/proc/self/fd', name)).catch(() => '')));
  return targets.filter((target) => target === path).length;
}

describe('a connection that goes silent', () => {
  it('within an upload is ended, and nothing is left of the upload', async () => {
    await using files = await ServedFiles.start({ idleTimeoutMs: 100 });
    const head = `PUT /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nContent-Length: ${3 * mebibyte}\r\n\r\n`;
    expect(await files.raw(Buffer.concat([Buffer.from(head), Buffer.alloc(2 * mebibyte)]))).toBe('');
    await expect.poll(() => files.entries()).toEqual([]);
    expect(files.faults).toEqual([]);
  });

  it('within a download is ended', async () => {
    await using files = await ServedFiles.start({ idleTimeoutMs: 100 });
    await writeFile(join(files.directory, 'foo'), Buffer.alloc(32 * mebibyte));
    const socket = connect(files.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    await expect.poll(() => files.connections()).toBe(0);
    socket.destroy();
    expect(files.faults).toEqual([]);
  });

  it('within a download is ended with others of its kind, gives its file back, and keeps nobody waiting', async () => {
    await using files = await ServedFiles.start({ idleTimeoutMs: 1_000 });
    const path = join(files.directory, 'foo');
    await writeFile(path, Buffer.alloc(32 * mebibyte));
    const stalled = Array.from({ length: 40 }, () =>
      connect({ port: files.port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
    );
    for (const socket of stalled) {
      socket.on('error', () => undefined);
      socket.write('GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    // The client does not read more than the first bytes.
    await Promise.all(stalled.map((socket) => once(socket, 'readable')));

    expect((await files.get('/te/v1/files/foo')).bytes).toHaveLength(32 * mebibyte);

    await expect.poll(() => descriptorsOf(path), { timeout: 20_000 }).toBe(0);
    await expect.poll(() => files.connections()).toBe(0);
    for (const socket of stalled) socket.destroy();
    expect(files.faults).toEqual([]);
  });

  it('is not ended while a slow upload still moves', async () => {
    await using files = await ServedFiles.start({ idleTimeoutMs: 600 });
    const socket = connect(files.port, '127.0.0.1');
    socket.write('PUT /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n');
    let sent = 0;
    const drip = setInterval(() => {
      sent += 1;
      socket.write('x');
      if (sent === 8) clearInterval(drip);
    }, 100);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 201 /);
  });
});
