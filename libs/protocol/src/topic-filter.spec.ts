import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterMatches, isTopicFilter, isTopicName, sharedFilter } from './topic-filter.js';

// MQTT 5.0 §4.7.1 to §4.7.3 and §4.8.2, their own examples included.
const cases: readonly (readonly [filter: string, topic: string, matches: boolean])[] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/tennis/player1/#', 'sport/tennis/player10', false],
  ['sport/#', 'sport', true],
  ['sport/#', 'sport/', true],
  ['sport/#', 'sports', false],
  ['#', 'sport', true],
  ['#', '/', true],
  ['sport/tennis#', 'sport/tennis', false],
  ['sport/tennis/#/ranking', 'sport/tennis/player1/ranking', false],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player2', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+', 'sport', true],
  ['+/tennis/#', 'sport/tennis', true],
  ['sport+', 'sports', false],
  ['sport/+/player1', 'sport/tennis/player1', true],
  ['sport/+/player1', 'sport//player1', true],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+', '/finance', false],
  ['+/#', 'a', true],
  ['+/+/#', 'a', false],
  ['#', '$SYS/broker', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/broker', true],
  ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
  ['a/#', 'a/$SYS', true],
  ['ACCOUNTS', 'Accounts', false],
  ['/finance', 'finance', false],
  ['Accounts payable', 'Accounts payable', true],
  ['$share/consumer1/sport/tennis/+', 'sport/tennis/player1', true],
  ['$share/consumer1/sport/tennis/+', 'sport/tennis', false],
  ['$share/consumer2//finance', '/finance', true],
  ['$share/consumer1/#', '$SYS/broker', false],
  ['$share/consumer1/$SYS/#', '$SYS/broker', true],
  ['$share/consumer1/#', '$share/consumer1/a', false],
];

describe('topic filters (MQTT 5.0 §4.7)', () => {
  it.each(cases)('%s against %s: %s', (filter, topic, matches) => {
    expect(filterMatches(filter, topic)).toBe(matches);
  });

  it('match what a slow reading of the standard matches', () => {
    const level = fc.constantFrom('', 'a', 'b', 'ab', '$x');
    const topics = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
    const filters = fc
      .array(fc.oneof(level, fc.constantFrom('+', '#', 'a+', 'a#')), { minLength: 1, maxLength: 5 })
      .map((levels) => levels.join('/'))
      // [MQTT-4.7.3-1]: at least one character.
      .filter((filter) => filter !== '');
    const shared = fc.boolean();
    fc.assert(
      fc.property(topics, filters, shared, (topic, filter, isShared) => {
        const given = isShared ? `$share/group/${filter}` : filter;
        expect(filterMatches(given, topic)).toBe(slowlyMatches(filter, topic));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the filter of a shared subscription (MQTT 5.0 §4.8.2)', () => {
  it.each([
    ['$share/consumer1/sport/#', 'sport/#'],
    ['$share/consumer1//finance', '/finance'],
    ['$share/consumer1', undefined],
    ['$share/consumer1/', undefined],
    ['$share//sport', undefined],
    ['sport/$share/a', undefined],
    ['$shared/a/b', undefined],
  ])('%s: %s', (filter, expected) => {
    expect(sharedFilter(filter)).toBe(expected);
  });
});

function slowlyMatches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && ['+', '#'].includes(filter.charAt(0))) return false;
  return levelsMatch(filter.split('/'), topic.split('/'));
}

function levelsMatch([wanted, ...filterRest]: readonly string[], levels: readonly string[]): boolean {
  if (wanted === undefined) return levels.length === 0;
  if (wanted === '#' && filterRest.length === 0) return true;
  const [level, ...rest] = levels;
  if (level === undefined || wanted === '#') return false;
  return (wanted === '+' || wanted === level) && levelsMatch(filterRest, rest);
}

describe('a topic name', () => {
  it.each(['a', '/', 'a/b', ' ', '$SYS/x', 'é€', 'a'.repeat(65_535)])('may be %j', (topic) => {
    expect(isTopicName(topic)).toBe(true);
  });

  it.each(['', '+', 'a/#', 'a+b', 'a\0b', '\ud800', 'a'.repeat(65_536), '€'.repeat(21_846)])('is not %j', (topic) => {
    expect(isTopicName(topic)).toBe(false);
  });
});

describe('a topic filter', () => {
  it.each(['a', '/', '#', '+', 'a/#', '+/+', '/#', '$SYS/#', '$share', '$share/s/#', '$share/s//'])(
    'may be %j',
    (filter) => {
      expect(isTopicFilter(filter)).toBe(true);
    },
  );

  it.each([
    '',
    'a#',
    'a+',
    '+a',
    '#/a',
    'a/#/b',
    '##',
    '++',
    'a/\0',
    '\udfff/#',
    '$share/',
    '$share/s',
    '$share/s/',
    '$share//a',
    '$share/+/a',
    '$share/#/a',
    '$share/s/a#',
    'a'.repeat(65_536),
  ])('is not %j', (filter) => {
    expect(isTopicFilter(filter)).toBe(false);
  });
});
