import { expect, it } from 'vitest';
import { BoundedCache } from './bounded-cache.js';

it('remembers the newest entries and no more than it is told to', () => {
  const recent = new BoundedCache<string, number>(2);
  for (const [index, key] of ['a', 'b', 'c'].entries()) recent.set(key, index);

  expect(['a', 'b', 'c'].map((key) => recent.get(key))).toEqual([undefined, 1, 2]);
});
