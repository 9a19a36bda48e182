import { describe, expect, it } from 'vitest';
import { BodyGarbage } from './body-garbage.js';

describe('a piece of a request body that has been copied away', () => {
  it('gives its memory back when that is all its own', () => {
    const piece = Buffer.allocUnsafeSlow(65_536);
    new BodyGarbage().free(piece);
    expect(piece.length).toBe(0);
  });

  it.each([
    ['at the start', 0, 4_096],
    ['in the middle', 4_096, 100],
    ['all but the last byte', 0, 8_191],
  ])('is left alone when others share its memory: %s', (_, start, length) => {
    const shared = Buffer.alloc(8_192, 7);
    new BodyGarbage().free(shared.subarray(start, start + length));
    expect(shared).toEqual(Buffer.alloc(8_192, 7));
  });
});
