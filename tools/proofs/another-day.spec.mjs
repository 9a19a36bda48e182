import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../bootstrap.mjs';
import { allBut, leftOut } from './another-day.mjs';

describe('tests that are left out on another day', () => {
  it('are all those whose names begin so, and no others', () => {
    const names = ['store on Redis lists pages', 'store on SQLite lists pages', 'a (b) c', 'a b c'];
    const pattern = new RegExp(allBut([{ name: 'store on Redis' }, { name: 'a (b)' }]));
    expect(names.filter((name) => pattern.test(name))).toEqual(['store on SQLite lists pages', 'a b c']);
  });

  it.each(leftOut)('are there: $name', ({ name, file }) => {
    const text = readFileSync(join(root, file), 'utf8');
    // A full name consists of titles and of the values in them.
    const words = name.replace(' > ', ' ').split(' ');
    expect(words.filter((word) => !text.includes(word))).toEqual([]);
  });
});
