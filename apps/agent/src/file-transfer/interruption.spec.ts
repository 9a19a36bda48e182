import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, readlink, truncate, writeFile } from 'node:fs/promises';
import { Agent, type ClientRequest, get, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { bundleProgram, type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';
import { ServedProcess } from '../served-process.fixture.js';

const mebibyte = 1024 * 1024;
let bundleFolder: TemporaryDirectory;
/** The service as a bundle that plain Node can run. */
let script: string;

beforeAll(async () => {
  bundleFolder = temporaryDirectory();
  script = await bundleProgram(join(import.meta.dirname, '../file-transfer-process.fixture.ts'), bundleFolder.path);
});
afterAll(() => bundleFolder.remove());

/** Starts an upload of 4 MiB and sends a part of it. Errors are ignored. */
function beginUpload(port: number, path: string, sentBytes: number): ClientRequest {
  const upload = request({ host: '127.0.0.1', port, method: 'PUT', path, agent: false });
  upload.setHeader('content-length', 4 * mebibyte);
  upload.on('error', () => undefined);
  upload.write(Buffer.alloc(sentBytes, 'n'));
  return upload;
}

function answerTo(url: string, agent: Agent): Promise<{ status: number | undefined; retryAfter: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { agent }, (reply) => {
      reply.resume().once('end', () => resolve({ status: reply.statusCode, retryAfter: reply.headers['retry-after'] }));
    });
    asked.once('error', reject);
  });
}

/** Downloads a file and counts its bytes. */
function bytesOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const count = (chunk: Buffer): void => {
      received += chunk.length;
    };
    get(url, { agent: false }, (reply) => reply.on('data', count).once('end', () => resolve(received))).once(
      'error',
      reject,
    );
  });
}

describe('an upload cut short by its client', () => {
  it('leaves nothing behind, 200 times over', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a/kept', 'old');
    for (let round = 0; round < 10; round += 1) {
      const uploads = Array.from({ length: 20 }, (_, index) =>
        beginUpload(files.port, `/te/v1/files/${index % 2 ? 'a/kept' : `new${index}/x`}`, (index * mebibyte) / 7),
      );
      // Some are ended at their start, some in the middle.
      await Promise.all(
        uploads.map(async (upload, index) => {
          if (index % 3) await new Promise((resolve) => upload.write('x', resolve));
          await new Promise((resolve) => upload.once('close', resolve).destroy());
        }),
      );
    }
    await expect.poll(() => files.entries()).toEqual(['a', 'a/kept']);
    expect((await files.get('/te/v1/files/a/kept')).text).toBe('old');
    expect(files.faults).toEqual([]);
  });

  it('leaves nothing behind when a chunked body breaks off, or is no chunked body', async () => {
    await using files = await ServedFiles.start();
    const head = 'PUT /te/v1/files/foo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(await files.raw(`${head}3\r\nabc\r\nzz\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    const socket = connect(files.port, '127.0.0.1');
    socket.end(`${head}3\r\nabc\r\n`);
    socket.resume();
    await once(socket, 'close');
    expect(await files.entries()).toEqual([]);
    expect(files.faults).toEqual([]);
  });
});

describe('a download cut short by its client', () => {
  const openFiles = async (directory: string) => {
    const links = await readdir('/proc/self/fd');
    const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return targets.filter((target) => target.startsWith(directory)).length;
  };

  it('before its first byte closes the file, 300 times over', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', Buffer.alloc(200_000));
    for (let round = 0; round < 300; round += 1) {
      const socket = connect(files.port, '127.0.0.1').on('error', () => undefined);
      socket.write('GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n', () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    await expect.poll(() => files.connections()).toBe(0);
    await expect.poll(() => openFiles(files.directory)).toBe(0);
    expect(files.faults).toEqual([]);
  });

  it('holds one file open, and closes it, however many requests wait behind it on the connection', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', Buffer.alloc(32 * mebibyte));
    const socket = connect(files.port, '127.0.0.1').pause();
    await new Promise((resolve) =>
      socket.write('GET /te/v1/files/foo HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500), resolve),
    );
    await vi.waitUntil(async () => (await openFiles(files.directory)) > 0, { interval: 1 });
    // When a request on another connection is answered, the 500 have been read.
    expect((await files.get('/te/v1/files/missing')).status).toBe(404);
    expect(await openFiles(files.directory)).toBe(1);
    socket.destroy();
    await expect.poll(() => openFiles(files.directory)).toBe(0);
  });
});

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (body) => body.enqueue(Buffer.alloc(mebibyte, 'n')) });
}

describe('a service killed in the middle of 100 uploads', () => {
  it('leaves the old or the new content of each file, whole, and sweeps the rest at its next start', async () => {
    await using folder = temporaryDirectory();
    const directory = join(folder.path, 'file-transfer');
    await mkdir(directory);
    const paths = Array.from({ length: 100 }, (_, index) => `f${index}`);
    for (const path of paths) await writeFile(join(directory, path), 'old');
    const contentOf = (index: number) => Buffer.alloc((index % 4) * mebibyte + 1_000, 'n');

    await using first = await ServedProcess.start(script, { directory });
    // The first upload does not end, so something is being written at the kill, however fast the disk is.
    const bodyOf = (index: number) => (index === 0 ? endless() : contentOf(index));
    const outcomes = paths.map(async (path, index) => {
      try {
        const request = { method: 'PUT', body: bodyOf(index), duplex: 'half' } as const;
        return (await fetch(`${first.url}/te/v1/files/${path}`, request)).status;
      } catch {
        return 'cut';
      }
    });
    // Now some uploads are complete, and some are still being written to the disk.
    await Promise.race(outcomes);
    const isWriting = async () => (await readdir(directory)).some((name) => name.startsWith('.tmp-'));
    await vi.waitUntil(isWriting, { interval: 1 });
    await first.kill();
    const statuses = await Promise.all(outcomes);
    expect(statuses).toContain('cut');

    await using _second = await ServedProcess.start(script, { directory });
    expect((await readdir(directory)).sort()).toEqual([...paths].sort());
    for (const [index, path] of paths.entries()) {
      const content = await readFile(join(directory, path));
      const isNew = content.equals(contentOf(index));
      expect(isNew || content.toString() === 'old').toBe(true);
      // An answered upload is never lost.
      if (statuses[index] === 201) expect(isNew).toBe(true);
    }
  });

  it('sweeps only its own leftovers, in every folder', async () => {
    await using folder = temporaryDirectory();
    const directory = join(folder.path, 'file-transfer');
    await mkdir(join(directory, 'a', 'b'), { recursive: true });
    const leftover = '.tmp-0b7e3c1a-1111-4222-8333-123456789abc';
    for (const path of [leftover, `a/b/${leftover}`, 'a/.tmp-of-somebody-else', 'a/kept'])
      await writeFile(join(directory, path), 'x');
    await using _files = await ServedFiles.start({ directory });
    expect((await readdir(directory, { recursive: true })).sort()).toEqual([
      'a',
      'a/.tmp-of-somebody-else',
      'a/b',
      'a/kept',
    ]);
  });
});

describe('memory of the service', () => {
  const piece = Buffer.alloc(mebibyte, 'n');

  it('stays under 150 MB during a download of 512 MiB, with ten readers beside it that have stopped reading', async () => {
    await using folder = temporaryDirectory();
    const path = join(folder.path, 'large');
    await writeFile(path, '');
    await truncate(path, 512 * mebibyte);
    await using service = await ServedProcess.start(script, { directory: folder.path });
    const stalled = await Promise.all(Array.from({ length: 10 }, () => fetch(`${service.url}/te/v1/files/large`)));
    expect(await bytesOf(`${service.url}/te/v1/files/large`)).toBe(512 * mebibyte);
    expect(await service.peakBytes()).toBeLessThan(150_000_000);
    await Promise.all(stalled.map((reply) => reply.body?.cancel()));
  });

  it('stays under 150 MB during an upload of 512 MiB', async () => {
    await using folder = temporaryDirectory();
    await using service = await ServedProcess.start(script, { directory: folder.path });
    const pieces = Array.from({ length: 512 }, () => piece);
    const body = ReadableStream.from(pieces);
    const reply = await fetch(`${service.url}/te/v1/files/large`, { method: 'PUT', body, duplex: 'half' });
    expect(reply.status).toBe(201);
    expect(await service.peakBytes()).toBeLessThan(150_000_000);
  });
});

describe('a service without the rights it needs', () => {
  // Root may do everything. So if the tests run as root, the service runs as the user nobody.
  const rights = process.getuid?.() === 0 ? { uid: 65_534 } : {};

  it('answers 500 "Internal error" for a file it may not read, and for a folder it may not write to', async () => {
    await using folder = temporaryDirectory();
    await chmod(folder.path, 0o777);
    await writeFile(join(folder.path, 'secret'), 'x', { mode: 0o600 });
    await chmod(join(folder.path, 'secret'), 0);
    await mkdir(join(folder.path, 'fixed'), { mode: 0o555 });
    await using service = await ServedProcess.start(script, { directory: folder.path, ...rights });
    const read = await fetch(`${service.url}/te/v1/files/secret`);
    expect([read.status, await read.text()]).toEqual([500, 'Internal error']);
    for (const size of [10, 2 * mebibyte]) {
      const write = await fetch(`${service.url}/te/v1/files/fixed/new`, { method: 'PUT', body: Buffer.alloc(size) });
      expect([write.status, await write.text()]).toEqual([500, 'Internal error']);
    }
    expect(await readdir(join(folder.path, 'fixed'))).toEqual([]);
  });
});

describe('a storage with folders of somebody else', () => {
  // Root can read every folder.
  it.runIf(process.getuid?.() === 0)(
    'such as lost+found is served, counted and swept as far as it is ours',
    async () => {
      await using folder = temporaryDirectory();
      await chmod(folder.path, 0o777);
      const leftover = '.tmp-0b7e3c1a-1111-4222-8333-123456789abc';
      for (const [name, mode] of [
        ['lost+found', 0o700],
        ['unsearchable', 0o744],
        ['fixed', 0o755],
      ] as const) {
        await mkdir(join(folder.path, name));
        await writeFile(join(folder.path, name, leftover), 'x');
        await writeFile(join(folder.path, name, 'kept'), Buffer.alloc(400));
        await chmod(join(folder.path, name), mode);
      }
      const options = { directory: folder.path, limits: { bytes: 28_672 }, uid: 65_534 };
      await using service = await ServedProcess.start(script, options);
      const put = async (size: number) =>
        (await fetch(`${service.url}/te/v1/files/foo`, { method: 'PUT', body: Buffer.alloc(size) })).status;
      // It sees three folders, and one file in a folder that it may enter. These take four of seven blocks.
      expect([await put(12_289), await put(12_288)]).toEqual([507, 201]);
    },
  );
});

describe('a file system for small files only', () => {
  it('answers 413 to a larger one, and leaves nothing of it', async () => {
    await using folder = temporaryDirectory();
    await using service = await ServedProcess.start(script, { directory: folder.path }, { fileBlocks: 2048 });
    const put = async (body: Buffer<ArrayBuffer>) => {
      const reply = await fetch(`${service.url}/te/v1/files/foo`, { method: 'PUT', body });
      return [reply.status, await reply.text()];
    };
    expect(await put(Buffer.alloc(mebibyte + 1))).toEqual([
      413,
      '"foo" is larger than a file can be where it is to be stored; nothing was changed.',
    ]);
    expect(await put(Buffer.alloc(mebibyte))).toEqual([201, '']);
    expect(await readdir(folder.path)).toEqual(['foo']);
  });
});

describe('a service out of file descriptors', () => {
  it('answers 503 with Retry-After, lives on, and serves again once connections have gone', async () => {
    await using folder = temporaryDirectory();
    await using service = await ServedProcess.start(script, { directory: folder.path }, { openFiles: 48 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () => answerTo(`${service.url}/te/v1/files/foo`, agent);
    expect((await ask()).status).toBe(404);
    const idle = Array.from({ length: 60 }, () => connect(service.port, '127.0.0.1').on('error', () => undefined));
    await expect.poll(ask).toEqual({ status: 503, retryAfter: '5' });
    for (const socket of idle) socket.destroy();
    await expect.poll(ask).toEqual({ status: 404, retryAfter: undefined });
    agent.destroy();
  });
});
