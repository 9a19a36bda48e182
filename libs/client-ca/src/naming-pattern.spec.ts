import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { parseNamingPattern } from './naming-pattern.js';

describe('a naming pattern', () => {
  it.each([
    ['^(.+)$', 'pump-17', 'pump-17'],
    ['^pump-([0-9]+)$', 'pump-17', '17'],
    ['^([a-z]+)-[0-9]{1,3}$', 'pump-170', 'pump'],
    ['^(.*)-x*$', 'a-b-xx', 'a-b'],
    ['^x?(\\d{4})\\.example$', 'x1234.example', '1234'],
    ['^([^.]+)\\.[\\w.]+$', 'dev.plant.example', 'dev'],
    ['^([a-z-]+)$', 'a-b', 'a-b'],
    ['^([A-Z]{2,})$', 'ABCD', 'ABCD'],
  ])('%s takes from %s the identity %s', (pattern, name, identity) => {
    expect(parseNamingPattern(pattern).capture(name)).toBe(identity);
  });

  it.each([
    ['^pump-([0-9]+)$', 'pump-17x'],
    ['^pump-([0-9]+)$', 'xpump-17'],
    ['^pump.([0-9]+)$', 'pump1'],
    ['^([a-z]{3})$', 'abcd'],
    ['^(.+)$', ''],
    ['^(.+)$', 'x'.repeat(257)],
  ])('%s does not fit %s', (pattern, name) => {
    expect(parseNamingPattern(pattern).capture(name)).toBeUndefined();
  });

  it('needs no longer for a name that nearly fits many repeats', () => {
    const bomb = `^(${'a*'.repeat(60)})b$`;
    expect(parseNamingPattern(bomb).capture('a'.repeat(256))).toBeUndefined();
    expect(parseNamingPattern(bomb).capture(`${'a'.repeat(255)}b`)).toBe('a'.repeat(255));
  });

  it.each([
    ['pump-([0-9]+)', 'it must begin with "^" and end with "$"'],
    ['^(a+)\\$', 'it must begin with "^" and end with "$"'],
    ['^pump$', 'it needs one group'],
    ['^()$', 'its group is empty'],
    ['^(a)(b)$', 'there is a second group'],
    ['^(a+)+$', 'a group cannot be repeated'],
    ['^(a++)$', 'a repeat is repeated'],
    ['^(a|b)$', 'alternatives "|" are not possible'],
    ['^(?:a)$', '"(?" is not possible'],
    ['^(a$', 'it needs one group'],
    ['^(*)$', '"*" has nothing to repeat'],
    ['^([a-z)$', 'a class "[" has no end'],
    ['^([z-a])$', '"z-a" is no range'],
    ['^(\\b)$', '"\\b" is not known'],
    ['^(a{999})$', 'is no count from 0 to 256'],
    ['^(a{x})$', '"{" needs a number'],
  ])('%s is refused: %s', (pattern, reason) => {
    expect(() => parseNamingPattern(pattern)).toThrow(Problem);
    expect(() => parseNamingPattern(pattern)).toThrow(reason);
  });
});
