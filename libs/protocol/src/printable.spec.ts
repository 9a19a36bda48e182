import { describe, expect, it } from 'vitest';
import { blankUnprintable, printable } from './printable.js';

describe('text of a stranger in a log', () => {
  it.each([
    ['a line feed', 'a\nb', 'a\\u{a}b'],
    ['an escape sequence', 'a\u001b[31mb', 'a\\u{1b}[31mb'],
    ['a right-to-left override', 'a\u202eb', 'a\\u{202e}b'],
    ['a zero-width space', 'a\u200bb', 'a\\u{200b}b'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['half a surrogate pair', 'a\ud800b', 'a\\u{d800}b'],
  ])('shows %s as its code', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('keeps letters of every script', () => {
    expect(printable('CN=Gerät-東京')).toBe('CN=Gerät-東京');
  });

  it('is cut to 256 characters', () => {
    expect(printable('x'.repeat(1000))).toBe('x'.repeat(256));
    expect(printable('\n'.repeat(256))).toHaveLength(256);
  });
});

describe('text of a stranger on a terminal', () => {
  it.each([
    ['a line feed', 'a\nb'],
    ['an escape character', 'a\u001bb'],
    ['a right-to-left override', 'a\u202eb'],
    ['a line separator', 'a\u2028b'],
    ['half a surrogate pair', 'a\ud800b'],
    ['a character for private use', 'a\ue000b'],
  ])('has a blank for %s', (_, text) => {
    expect(blankUnprintable(text)).toBe('a b');
  });

  it('keeps letters of every script', () => {
    expect(blankUnprintable('CN=Gerät-東京')).toBe('CN=Gerät-東京');
  });
});
