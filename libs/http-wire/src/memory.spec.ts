import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { Body, BodySink } from './body.js';
import { getRequest, PoolSite } from './pool-site.fixture.js';
import { serveHttp } from './server-connection.js';

const site = new PoolSite();
afterEach(() => site.close());

const bytes = 100_000;

/** A body whose one piece comes with memory that nobody shares. */
function bodyOf(piece: Buffer, isReplayable: boolean): Body {
  return {
    length: piece.length,
    isReplayable,
    flow: (sink: BodySink) => {
      sink.write(piece);
      sink.end();
    },
    resume: () => undefined,
    cancel: () => undefined,
  };
}

describe('the memory of a large piece of a body', () => {
  it.each([
    ['freed when it is written to the client', false, 0],
    ['kept when the body may flow again', true, bytes],
  ])('is %s', async (_, isReplayable, left) => {
    const piece = Buffer.alloc(bytes, 'a');
    const port = await site.serve((_request, response) =>
      response.send({ status: 200, fields: [] }, bodyOf(piece, isReplayable)),
    );

    const heard = await site.exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');

    expect(heard).toMatch(/\r\n\r\na{100000}$/);
    await expect.poll(() => piece.length).toBe(left);
  });

  it.each([
    ['freed when it is written to the upstream', false, 0],
    ['kept when the request may be sent again', true, bytes],
  ])('is %s', async (_, isReplayable, left) => {
    const piece = Buffer.alloc(bytes, 'a');
    const port = await site.serve(({ body }, response) => response.send({ status: 200, fields: [] }, body));
    const pool = site.poolTo(port);

    const text = await site.textOf(pool, { ...getRequest(), method: 'PUT', body: bodyOf(piece, isReplayable) });

    expect(text).toMatch(/^200 a{100000}$/);
    await expect.poll(() => piece.length).toBe(left);
  });

  it('that ends a chunk or a body is not that of other messages', async () => {
    const port = await site.serve(({ body }, response) => response.send({ status: 200, fields: [] }, body));
    const pool = site.poolTo(port);
    const echo = (): Promise<string> => {
      const body = { ...bodyOf(Buffer.alloc(bytes, 'a'), false), length: undefined };
      return site.textOf(pool, { ...getRequest(), method: 'PUT', body });
    };

    expect(await echo()).toMatch(/^200 a{100000}$/);
    expect(await echo()).toMatch(/^200 a{100000}$/);
  });
});

describe('a client that reads nothing', () => {
  it('is sent 256 KiB of a body, and not much more is kept for it', async () => {
    const stuck = new Duplex({ read: () => undefined, write: () => undefined });
    site.own(stuck);
    let taken = 0;
    const flow = (sink: BodySink): void => {
      do {
        sink.write(Buffer.alloc(16_384));
        taken += 16_384;
      } while (sink.flush());
    };
    const body = { ...bodyOf(Buffer.alloc(0), false), length: 100_000_000, flow };
    serveHttp(stuck, { handler: (_request, response) => response.send({ status: 200, fields: [] }, body) });

    stuck.push('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

    await expect.poll(() => taken).toBeGreaterThanOrEqual(256 * 1024);
    expect(taken).toBeLessThan(384 * 1024);
  });
});
