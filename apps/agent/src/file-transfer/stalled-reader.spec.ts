import { createHash, type Hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { join } from 'node:path';
import { TestCa, type TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const mebibyte = 1024 * 1024;
// Far more than the kernel holds for a reader that has stopped (4 MiB on loopback). No two pieces are alike.
const content = randomBytes(24 * mebibyte);
const digest = createHash('sha256').update(content).digest('hex');

let ca: TestCa;
let server: TestCertificate;
beforeAll(async () => {
  ca = await TestCa.create();
  server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
});
afterAll(() => ca[Symbol.asyncDispose]());

async function start(): Promise<ServedFiles> {
  const security = { cert: server.certPem, key: server.keyPem };
  const files = await ServedFiles.start({ peerKeyOf: () => 'device:a', security });
  await writeFile(join(files.directory, 'large'), content);
  return files;
}

/** Six downloads of one device that are not read. Together they hold more than half of its large buffers. */
async function stall({ port }: ServedFiles): Promise<IncomingMessage[]> {
  const target = { host: '127.0.0.1', port, path: '/te/v1/files/large', servername: 'localhost', ca: ca.certPem };
  const requests = Array.from({ length: 6 }, () => get({ ...target, agent: false }));
  onTestFinished(() => {
    for (const request of requests) request.destroy();
  });
  const events = await Promise.all(requests.map((request) => once(request, 'response')));
  return events.map(([response]) => response);
}

/** True while the downloads of the device hold less than half of the large buffers that it may. */
const hasBuffersLeft = ({ storage }: ServedFiles): boolean => storage.buffers.shareOf('device:a').isPlenty;

/** Waits until all readers have lost their buffers. */
const haveStalled = (files: ServedFiles): Promise<void> =>
  expect.poll(() => hasBuffersLeft(files), { timeout: 5_000 }).toBe(true);

async function readAtLeast(response: IncomingMessage, bytes: number, hash: Hash): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const piece: Buffer | null = response.read();
    if (piece === null) await once(response, 'readable');
    else hash.update(piece);
    left -= piece?.length ?? 0;
  }
}

async function digestOf(response: IncomingMessage, hash = createHash('sha256')): Promise<string> {
  for await (const piece of response) hash.update(piece);
  return hash.digest('hex');
}

describe('a download over TLS whose reader stops', () => {
  it('leaves its large buffers to other downloads of the device', async () => {
    await using files = await start();
    await stall(files);
    expect(hasBuffersLeft(files)).toBe(false);
    await haveStalled(files);
    expect(files.faults).toEqual([]);
  });

  it('gets each byte of the file once when it reads on', async () => {
    await using files = await start();
    const responses = await stall(files);
    await haveStalled(files);
    expect(await Promise.all(responses.map((response) => digestOf(response)))).toEqual(Array(6).fill(digest));
    expect(hasBuffersLeft(files)).toBe(true);
    expect(files.faults).toEqual([]);
  });

  it('may stop more than once, and has large buffers in between', async () => {
    await using files = await start();
    const readers = (await stall(files)).map((response) => ({ response, hash: createHash('sha256') }));
    await haveStalled(files);
    // So much that each of them has taken more than a small buffer holds, and the kernel is full again.
    const took = Promise.all(readers.map(({ response, hash }) => readAtLeast(response, 8 * mebibyte, hash)));
    await expect.poll(() => hasBuffersLeft(files), { interval: 1 }).toBe(false);
    await took;
    await haveStalled(files);
    const digests = await Promise.all(readers.map(({ response, hash }) => digestOf(response, hash)));
    expect(digests).toEqual(Array(6).fill(digest));
    expect(files.faults).toEqual([]);
  });
});
