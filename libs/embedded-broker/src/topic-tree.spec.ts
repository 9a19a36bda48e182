import { filterMatches } from '@sallyport/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopicTree } from './topic-tree.js';

// MQTT 3.1.1 §4.7.1 and §4.7.2, their own examples included.
const cases: readonly (readonly [filter: string, topic: string, matches: boolean])[] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/#', 'sport', true],
  ['#', 'a/b', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+', '/finance', false],
  ['#', '$SYS/broker', false],
  ['+/broker', '$SYS/broker', false],
  ['$SYS/#', '$SYS/broker', true],
  ['a/b', 'a/b', true],
  ['a/b', 'a/B', false],
];

function treeMatches(filter: string, topic: string): boolean {
  const tree = new TopicTree<true>();
  tree.add(filter, true);
  return tree.match(topic).length === 1;
}

describe('topic filters (MQTT 3.1.1 §4.7)', () => {
  it.each(cases)('%s against %s: %s', (filter, topic, matches) => {
    expect([filterMatches(filter, topic), treeMatches(filter, topic)]).toEqual([matches, matches]);
  });

  it('are judged the same one by one and in the tree', () => {
    const level = fc.constantFrom('', 'a', 'b', '$x');
    const topics = fc.array(level, { minLength: 1, maxLength: 4 });
    const filters = fc.array(fc.oneof(level, fc.constantFrom('+', '#')), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(topics, filters, (topicLevels, filterLevels) => {
        const [topic, filter] = [topicLevels.join('/'), filterLevels.join('/')];
        expect(treeMatches(filter, topic)).toBe(filterMatches(filter, topic));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('topic tree', () => {
  it('gives the values of all filters that match', () => {
    const tree = new TopicTree<string>();
    tree.add('a/#', 'all below a');
    tree.add('a/+', 'one below a');
    tree.add('a/b', 'first at a/b');
    tree.add('a/b', 'second at a/b');
    tree.add('b', 'b');
    expect(tree.match('a/b').sort()).toEqual(['all below a', 'first at a/b', 'one below a', 'second at a/b']);
  });

  it('forgets what was deleted, and only that', () => {
    const tree = new TopicTree<string>();
    tree.add('a/b', 'first');
    tree.add('a/b', 'second');
    tree.add('a/b/c', 'below');
    tree.delete('a/b', 'first');
    tree.delete('a/b/c/d', 'below');
    expect([tree.match('a/b'), tree.match('a/b/c')]).toEqual([['second'], ['below']]);
  });
});
