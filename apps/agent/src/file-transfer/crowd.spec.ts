import { once } from 'node:events';
import { readdir, readlink, truncate, writeFile } from 'node:fs/promises';
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const mebibyte = 1024 * 1024;
const large = '/te/v1/files/large';

let asked: ClientRequest[];
beforeEach(() => {
  asked = [];
});
afterEach(() => {
  for (const request of asked) request.destroy();
});

/** Replaces TLS: a header names the peer. */
const start = async (options: Parameters<typeof ServedFiles.start>[0] = {}) => {
  const files = await ServedFiles.start({ peerKeyOf: ({ headers }) => String(headers['x-peer']), ...options });
  const path = join(files.directory, 'large');
  await writeFile(path, '');
  // Far more than the buffers of a connection hold.
  await truncate(path, 32 * mebibyte);
  return files;
};

/** Asks for the large file on a new connection. The reply is read only by `sizeOf`. */
function ask({ port }: ServedFiles, peer: string): ClientRequest {
  const request = get({ host: '127.0.0.1', port, path: large, agent: false, headers: { 'x-peer': peer } });
  asked.push(request.on('error', () => undefined));
  return request;
}

const askOften = (files: ServedFiles, peer: string, count: number) =>
  Array.from({ length: count }, () => ask(files, peer));

async function sizeOf(reply: Promise<IncomingMessage[]>): Promise<number> {
  const [response] = await reply;
  let bytes = 0;
  for await (const piece of response ?? []) bytes += piece.length;
  return bytes;
}

async function openFiles({ directory }: ServedFiles): Promise<number> {
  const links = await readdir('/proc/self/fd');
  const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(directory)).length;
}

/** 32 unread downloads of device a, and one more that waits. */
async function crowd(files: ServedFiles) {
  const unread = askOften(files, 'device:a', 32);
  await Promise.all(unread.map((request) => once(request, 'response')));
  const waiting = ask(files, 'device:a');
  const reply = once(waiting, 'response');
  // Some tests end before it comes.
  reply.catch(() => undefined);
  await once(waiting, 'finish');
  return { unread, waiting, reply };
}

describe('a 33rd download of one device', () => {
  it('waits without an open file, and gets the whole file when another ends', async () => {
    await using files = await start();
    const { unread, reply } = await crowd(files);
    // When this has been answered, the service has read the request before it.
    expect((await files.get(large, { 'x-peer': 'device:b' })).bytes).toHaveLength(32 * mebibyte);
    expect(await Promise.race([reply, 'waiting'])).toBe('waiting');
    await expect.poll(() => openFiles(files)).toBe(32);
    unread[7]?.destroy();
    expect(await sizeOf(reply)).toBe(32 * mebibyte);
    expect(files.faults).toEqual([]);
  });

  it('gets a file as it is when the wait ends', async () => {
    await using files = await start();
    const { unread, reply } = await crowd(files);
    await files.put(large, 'new', { 'x-peer': 'device:a' });
    unread[0]?.destroy();
    expect(await sizeOf(reply)).toBe(3);
  });

  it.each([
    ['HEAD', large, 200],
    ['DELETE', large, 202],
    ['PUT', '/te/v1/files/new', 201],
    ['GET', '/te/v1/files/small', 200],
    ['GET', '/te/v1/files/missing', 404],
  ] as const)('does not delay %s %s', async (method, path, status) => {
    await using files = await start();
    await writeFile(join(files.directory, 'small'), Buffer.alloc(65_536));
    await crowd(files);
    const reply = await files.request(method, path, { headers: { 'x-peer': 'device:a' } });
    expect(reply.status).toBe(status);
  });

  it('does not delay a part of 64 KiB, and an answer that the file has not changed', async () => {
    await using files = await start();
    await crowd(files);
    const part = await files.get(large, { 'x-peer': 'device:a', range: 'bytes=5-65540' });
    expect([part.status, part.bytes.length]).toEqual([206, 65_536]);
    expect((await files.get(large, { 'x-peer': 'device:a', 'if-none-match': '*' })).status).toBe(304);
  });

  it('is forgotten when its client leaves', async () => {
    await using files = await start();
    const { unread, waiting } = await crowd(files);
    waiting.destroy();
    await expect.poll(() => files.connections()).toBe(32);
    const next = once(ask(files, 'device:a'), 'response');
    unread[0]?.destroy();
    expect(await sizeOf(next)).toBe(32 * mebibyte);
    expect(files.faults).toEqual([]);
  });

  it('comes when those before it are ended, because nobody reads them, and is not ended while it waits', async () => {
    await using files = await start({ idleTimeoutMs: 1_000 });
    // Two groups of unread downloads before it: it waits longer than a silent connection may.
    const unread = askOften(files, 'device:a', 64);
    await Promise.all(unread.map((request) => once(request, 'finish')));
    await expect.poll(() => openFiles(files)).toBe(32);
    expect(await sizeOf(once(ask(files, 'device:a'), 'response'))).toBe(32 * mebibyte);
    expect(files.faults).toEqual([]);
  });
});

describe('the downloads of a network without certificates', () => {
  it('may be more, because many devices may have one address', async () => {
    await using files = await start();
    const unread = askOften(files, 'network:192.0.2.0', 256);
    await Promise.all(unread.map((request) => once(request, 'response')));
    const reply = once(ask(files, 'network:192.0.2.0'), 'response');
    expect((await files.get(large, { 'x-peer': 'network:192.0.2.1' })).status).toBe(200);
    expect(await Promise.race([reply, 'waiting'])).toBe('waiting');
    unread[0]?.destroy();
    expect(await sizeOf(reply)).toBe(32 * mebibyte);
  });
});
