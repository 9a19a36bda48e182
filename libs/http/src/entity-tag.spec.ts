import { describe, expect, it } from 'vitest';
import { entityTagsIn, namesEntityTag } from './entity-tag.js';

describe('a list of entity tags (RFC 9110 §8.8.3)', () => {
  it.each([
    ['"a"', 'strong', true],
    ['"b", "a"', 'strong', true],
    ['W/"a"', 'weak', true],
    ['W/"a"', 'strong', false],
    ['"b"', 'weak', false],
    ['a', 'weak', false],
    ['*', 'weak', false],
    ['', 'weak', false],
  ] as const)('%j names "a" by %s comparison: %s', (list, comparison, isNamed) => {
    expect(namesEntityTag(list, '"a"', comparison)).toBe(isNamed);
  });

  it('may hold commas inside a tag', () => {
    expect(entityTagsIn('"a,b", W/"c"')).toEqual(['"a,b"', 'W/"c"']);
  });
});
