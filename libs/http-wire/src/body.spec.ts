import { describe, expect, it } from 'vitest';
import { type Body, type BodySink, BodyTooLarge, collect } from './body.js';

/** A body of pieces that come one after the other. */
function bodyOf(pieces: readonly string[]): Body & { isCancelled: boolean } {
  return {
    length: undefined,
    isReplayable: false,
    isCancelled: false,
    flow(sink: BodySink) {
      for (const piece of pieces) if (!this.isCancelled) sink.write(Buffer.from(piece));
      if (!this.isCancelled) sink.end();
    },
    resume: () => undefined,
    cancel() {
      this.isCancelled = true;
    },
  };
}

describe('a body that is read whole', () => {
  it.each([
    ['nothing', []],
    ['one piece', ['temperature=50']],
    ['many small pieces', Array.from({ length: 1_000 }, (_, index) => String(index % 10))],
    ['pieces of many sizes', ['a', 'b'.repeat(100), 'c', 'd'.repeat(5_000), 'e']],
  ])('has the bytes of %s, in order', async (_, pieces) => {
    expect((await collect(bodyOf(pieces), 10_000)).toString()).toBe(pieces.join(''));
  });

  it('is refused with the first piece that is too much', async () => {
    const body = bodyOf(['12345', '67890', '!']);
    await expect(collect(body, 10)).rejects.toThrow(BodyTooLarge);
    expect(body.isCancelled).toBe(true);
  });

  it('tells how it grows, and is refused when there is no room', async () => {
    const body = bodyOf(['12', '34', '56']);
    const heard: number[] = [];
    const grow = (bytes: number) => {
      heard.push(bytes);
      if (bytes > 4) throw new Error('no room');
    };
    await expect(collect(body, 10, grow)).rejects.toThrow('no room');
    expect([heard, body.isCancelled]).toEqual([[2, 4, 6], true]);
  });
});
