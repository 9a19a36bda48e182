import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterMatches } from './topic-filter.js';
import { filtersOverlap } from './topic-overlap.js';

const cases: readonly (readonly [one: string, other: string, overlap: boolean])[] = [
  ['te/device/a/#', '#', true],
  ['te/device/a/#', 'te/device/a', true],
  ['te/device/a/#', 'te/device/+/x', true],
  ['te/device/a/#', 'te/device/b/#', false],
  ['te/device/a/#', 'te/device/ab/#', false],
  ['te/+/a', 'te/device/+', true],
  ['te/+', 'te', false],
  ['te/+/#', 'te', false],
  ['te/#', 'te', true],
  ['+/a', 'b/+/+', false],
  ['', '+', true],
  ['#', '$SYS/#', false],
  ['+/broker', '$SYS/+', false],
  ['$SYS/#', '$SYS/broker/+', true],
];

describe('two topic filters', () => {
  it.each(cases)('%s and %s overlap: %s', (one, other, overlap) => {
    expect(filtersOverlap(one, other)).toBe(overlap);
    expect(filtersOverlap(other, one)).toBe(overlap);
  });

  it('overlap when some topic matches both', () => {
    const level = fc.constantFrom('a', 'b', '', '$x');
    const filter = fc
      .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'));
    const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
    fc.assert(
      fc.property(filter, filter, topic, (one, other, name) => {
        if (filterMatches(one, name) && filterMatches(other, name)) expect(filtersOverlap(one, other)).toBe(true);
      }),
    );
  });

  it('overlap only when some topic matches both', () => {
    const filter = fc
      .tuple(fc.array(fc.constantFrom('a', 'b', '+'), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'));
    const topics = allTopics(['a', 'b'], 4);
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        const meet = topics.some((name) => filterMatches(one, name) && filterMatches(other, name));
        expect(filtersOverlap(one, other)).toBe(meet);
      }),
    );
  });
});

function allTopics(levels: readonly string[], depth: number): string[] {
  if (depth === 1) return [...levels];
  const shorter = allTopics(levels, depth - 1);
  return [...new Set([...shorter, ...shorter.flatMap((topic) => levels.map((level) => `${topic}/${level}`))])];
}
