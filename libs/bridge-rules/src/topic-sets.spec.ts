import { filterMatches } from '@sallyport/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterCovers, filterIntersection } from './topic-sets.js';

const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '$x'), { maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');

// With one level more than the filters, and one name that no filter has, no difference stays unseen. No message has the
// empty topic, but only it tells "/#" from "/+/#".
const topics = allTopics(['a', 'b', '', '$x', 'other'], 4);

function allTopics(levels: readonly string[], most: number): string[] {
  const shorter = most === 1 ? [] : allTopics(levels, most - 1);
  const longer = shorter.flatMap((topic) => levels.map((level) => `${topic}/${level}`));
  return [...new Set([...levels, ...shorter, ...longer])];
}

describe('two topic filters', () => {
  it('cover each other when no topic shows the opposite', () => {
    fc.assert(
      fc.property(filter, filter, (wide, narrow) => {
        const isCovered = topics.every((topic) => !filterMatches(narrow, topic) || filterMatches(wide, topic));
        if (filterCovers(wide, narrow)) expect(isCovered).toBe(true);
        // "$x/+" and the like: "+" at the start covers everything that does not begin with "$".
        else if (!/^[+#]/.test(narrow) && !/^[+#]/.test(wide)) expect(isCovered).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('have in common exactly the topics that both match', () => {
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        const common = filterIntersection(one, other);
        for (const topic of topics) {
          const isCommon = filterMatches(one, topic) && filterMatches(other, topic);
          expect(common !== undefined && filterMatches(common, topic)).toBe(isCommon);
        }
      }),
      { numRuns: 300 },
    );
  });
});
