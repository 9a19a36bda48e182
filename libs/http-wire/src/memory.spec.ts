import { afterEach, describe, expect, it } from 'vitest';
import type { Body, BodySink } from './body.js';
import { getRequest, PoolSite } from './pool-site.fixture.js';

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
