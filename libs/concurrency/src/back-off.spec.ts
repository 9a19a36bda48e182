import { describe, expect, it } from 'vitest';
import { backOffMs } from './back-off.js';

describe('a back-off', () => {
  it('doubles from the first wait to the longest', () => {
    const waits = [1, 2, 3, 4, 5, 2_000].map((failures) => backOffMs(failures, { firstMs: 100, longestMs: 1_000 }));
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('grows by another factor when told so', () => {
    const backOff = { firstMs: 300, longestMs: 5_000, factor: 3 };
    expect([1, 2, 3, 4].map((failures) => backOffMs(failures, backOff))).toEqual([300, 900, 2_700, 5_000]);
  });

  it.each([
    [0, 500],
    [0.5, 750],
    [1, 1_000],
  ])('leaves half of the wait to chance: %d gives %d ms', (random, expected) => {
    expect(backOffMs(9, { firstMs: 100, longestMs: 1_000, jitter: 0.5 }, random)).toBe(expected);
  });
});
