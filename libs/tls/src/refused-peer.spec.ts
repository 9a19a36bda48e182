import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { RefusalReason } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { closing, get, identity, mutual, Site } from './fixtures/site.js';
import type { SecureListenerOptions } from './index.js';

const site = new Site(onTestFinished);
const ca = forgeCa('fleet');
const device = identity(forgeDevice('dev-1', ca));

async function open(reason: RefusalReason, more: Partial<SecureListenerOptions> = {}) {
  const served: unknown[] = [];
  const opened = await site.openListener(mutual([ca]), {
    admission: { admit: async () => ({ outcome: 'refused', reason }) },
    handler: { http: (request: IncomingMessage, _: ServerResponse) => served.push(request.url) },
    ...more,
  });
  return { ...opened, served };
}

describe('a peer that is not admitted', () => {
  it.each(['device-locked', 'device-revoked', 'device-retired', 'name-conflict'] as const)(
    'is told so over HTTP: 403, %s and what it means',
    async (reason) => {
      const { port, served, refusals } = await open(reason);

      const { status, headers, body } = await get(`https://127.0.0.1:${port}/secret`, device);

      expect([status, headers['content-type'], headers.connection]).toEqual([403, 'application/problem+json', 'close']);
      expect(JSON.parse(body)).toMatchObject({ reason, status: 403, type: 'urn:sallyport:problem:forbidden' });
      expect(served).toEqual([]);
      expect(refusals).toHaveLength(1);
    },
  );

  it.each(['admission-unavailable', 'too-many-new-certificates'] as const)(
    'may come back when it is no fault of its own: 503 with Retry-After, %s',
    async (reason) => {
      const { port } = await open(reason);

      const { status, headers, body } = await get(`https://127.0.0.1:${port}/`, device);

      expect([status, headers['retry-after'], JSON.parse(body).reason]).toEqual([503, '30', reason]);
    },
  );

  it('reads header names in the case every client knows', async () => {
    const { port } = await open('device-locked');
    const socket = await site.openTls(port, device);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

    expect(await text(socket)).toMatch(/\r\nContent-Type: application\/problem\+json\r\n/);
  });

  it('gets one answer, whatever it pipelines, and is closed', async () => {
    const { port, served } = await open('device-locked');
    const socket = await site.openTls(port, device);
    socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100));

    expect((await text(socket)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 403']);
    expect(served).toEqual([]);
  });

  it('is not asked for a body it waits to send', async () => {
    const { port } = await open('device-locked');
    const socket = await site.openTls(port, device);
    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');

    expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('reads its answer after a whole file of 8 MiB, as a client does that sends before it reads', async () => {
    const { port } = await open('device-revoked', { limits: { lingerMs: 60_000 } });
    const socket = await site.openTls(port, device);
    const fileBytes = 8 * 1024 * 1024;
    socket.write(`PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${fileBytes}\r\n\r\n`);
    await new Promise<unknown>((sent) => socket.write(Buffer.alloc(fileBytes), sent));

    expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('is read no further than a little of its body when this site does not know its CA', async () => {
    const { port } = await open('issuer-unknown', { limits: { lingerMs: 3_600_000 } });
    const socket = await site.openTls(port, device);
    const closed = closing(socket.resume());
    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n');
    socket.write(Buffer.alloc(2 * 1024 * 1024));

    await closed;
  });

  it('is closed when it asks nothing within the deadline of a handshake', async () => {
    const { port } = await open('device-locked', { limits: { handshakeMs: 300 } });

    await closing((await site.openTls(port, device)).resume());
  });

  it('is no session: an operator does not see it, and a later revocation does not report it again', async () => {
    const { port, listener, refusals } = await open('device-locked');
    await site.openTls(port, device);
    await expect.poll(() => refusals.length).toBe(1);

    expect(listener.sessions).toEqual([]);
    expect(listener.refuseSessions(() => 'device-revoked')).toBe(0);
  });
});

describe('places at a listener under attack', () => {
  it('are found by a third address while two others fill it with half-open handshakes', async () => {
    const { port } = await site.openListener(mutual([ca]), {
      host: '0.0.0.0',
      limits: { concurrentHandshakes: 8, handshakeMs: 600_000 },
    });
    for (const localAddress of ['127.0.0.2', '127.0.0.3'])
      for (const _ of [1, 2, 3, 4]) {
        const stalled = connect({ port, host: '127.0.0.1', localAddress });
        onTestFinished(() => void stalled.destroy());
        stalled.on('error', () => stalled.destroy());
        await new Promise((done) => stalled.write(Buffer.from('160301', 'hex'), done));
      }

    expect((await get(`https://127.0.0.1:${port}/a`, device)).status).toBe(200);
  });

  it('are not all held by one device: it is told that it has too many connections', async () => {
    const { port, refusals } = await site.openListener(mutual([ca]), { limits: { connectionsPerIdentity: 2 } });
    for (const _ of [1, 2]) {
      const socket = await site.openTls(port, device);
      socket.write('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
      await new Promise((read) => socket.once('data', read));
    }

    expect((await get(`https://127.0.0.1:${port}/`, device)).status).toBe(503);
    expect(refusals.map(({ reason }) => reason)).toEqual(['too-many-connections']);
    expect((await get(`https://127.0.0.1:${port}/`, identity(forgeDevice('dev-2', ca)))).status).toBe(200);
  });
});
