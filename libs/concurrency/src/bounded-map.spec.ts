import { describe, expect, it } from 'vitest';
import { BoundedMap } from './bounded-map.js';

const filled = (most: number, keys: readonly string[]) => {
  const map = new BoundedMap<string, number>(most);
  for (const [index, key] of keys.entries()) map.set(key, index);
  return map;
};

describe('a bounded map', () => {
  it('remembers the newest entries and no more than it is told to', () => {
    const map = filled(2, ['a', 'b', 'c']);
    expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([undefined, 1, 2]);
    expect(map.size).toBe(2);
  });

  it('counts a key that is set again as the newest, and forgets nothing for it', () => {
    const map = filled(2, ['a', 'b', 'a', 'c']);
    expect([...map]).toEqual([
      ['a', 2],
      ['c', 3],
    ]);
  });

  it('does not count reading', () => {
    const map = filled(2, ['a', 'b']);
    map.get('a');
    map.set('c', 2);
    expect(map.get('a')).toBeUndefined();
  });

  it('has room for another after one was deleted', () => {
    const map = filled(2, ['a', 'b']);
    expect([map.delete('b'), map.delete('b')]).toEqual([true, false]);
    map.set('c', 2);
    expect([...map].map(([key]) => key)).toEqual(['a', 'c']);
    map.clear();
    expect(map.size).toBe(0);
  });
});
