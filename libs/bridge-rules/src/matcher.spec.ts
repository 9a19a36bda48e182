import { filterMatches } from '@sallyport/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from './matcher.js';
import { type BridgeRule, forwards, sourceFilter, type Travel, targetFilter } from './rule-set.js';
import { rule, setOf } from './rules.fixture.js';

/** What the rules mean, written as plainly as possible: one after the other, by filter alone. */
function plainlyMapped(rules: readonly BridgeRule[], travel: Travel, topic: string) {
  for (const one of rules) {
    const [from, to] =
      travel === 'outbound' ? [one.localPrefix, one.remotePrefix] : [one.remotePrefix, one.localPrefix];
    if (!forwards(one, travel) || !filterMatches(sourceFilter(one, travel), topic) || !topic.startsWith(from)) continue;
    const mapped = to + topic.slice(from.length);
    if (filterMatches(targetFilter(one, travel), mapped) && mapped !== '') return { topic: mapped, rule: one };
  }
  return undefined;
}

const level = fc.constantFrom('a', 'b', 'ä', '日本', '', '$x', 'c');
const prefix = fc.constantFrom('', 'a/', 'b/', 'a/b/', 'ä/', '$x/', '/');
const direction = fc.constantFrom('outbound' as const, 'inbound' as const, 'bidirectional' as const);
const topicFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '');
const anyRule = fc
  .tuple(direction, fc.tuple(prefix, prefix), topicFilter)
  .map(([way, prefixes, topic]) => rule(way, prefixes, topic));
const topicName = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '');
const travel = fc.constantFrom('outbound' as const, 'inbound' as const);

describe('the rules of a bridge', () => {
  it('send every topic where the plainest reading of the rules sends it', () => {
    fc.assert(
      fc.property(
        fc.array(anyRule, { maxLength: 8 }),
        travel,
        fc.array(topicName, { maxLength: 8 }),
        (rules, way, topics) => {
          const matcher = compile(setOf(...rules));
          // Twice: the second answer is the remembered one.
          for (const topic of [...topics, ...topics])
            expect(matcher.mapTopic(way, topic)).toEqual(plainlyMapped(rules, way, topic));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('subscribe to every topic that they forward', () => {
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 8 }), travel, topicName, (rules, way, topic) => {
        const matcher = compile(setOf(...rules));
        const filters = matcher.filters(way === 'outbound' ? 'local' : 'remote');
        if (matcher.mapTopic(way, topic) !== undefined)
          expect(filters.some((filter) => filterMatches(filter, topic))).toBe(true);
      }),
    );
  });

  it('apply the first rule that matches, and no other', () => {
    const exact = rule('outbound', ['l/', 'one/'], 'a');
    const wide = rule('outbound', ['l/', 'two/'], '#');
    expect(compile(setOf(exact, wide)).mapTopic('outbound', 'l/a')).toEqual({ topic: 'one/a', rule: exact });
    expect(compile(setOf(wide, exact)).mapTopic('outbound', 'l/a')).toEqual({ topic: 'two/a', rule: wide });
  });

  it.each([
    ['c8y/s/us', 's/us'],
    ['c8y/s/us/child', 's/us/child'],
    ['c8y/s/usx', undefined],
    ['c8y/s', undefined],
    ['s/us', undefined],
  ])('send %s to %s by a rule for "s/us/#"', (topic, expected) => {
    const matcher = compile(setOf(rule('outbound', ['c8y/', ''], 's/us/#')));
    expect(matcher.mapTopic('outbound', topic)?.topic).toBe(expected);
    expect(matcher.mapTopic('inbound', topic)).toBeUndefined();
  });

  it('map one exact topic to another one where the topic of the rule is empty', () => {
    const matcher = compile(setOf(rule('outbound', ['aws/test', 'things/x/test'], '')));
    expect(matcher.mapTopic('outbound', 'aws/test')?.topic).toBe('things/x/test');
    expect(matcher.mapTopic('outbound', 'aws/test/more')).toBeUndefined();
  });

  it('forward a bidirectional rule both ways', () => {
    const matcher = compile(setOf(rule('bidirectional', ['aws/', '$aws/things/x/'], 'shadow/#')));
    expect(matcher.mapTopic('outbound', 'aws/shadow/get')?.topic).toBe('$aws/things/x/shadow/get');
    expect(matcher.mapTopic('inbound', '$aws/things/x/shadow/get')?.topic).toBe('aws/shadow/get');
  });

  it('never publish to a topic that begins with "$" by a rule for all topics', () => {
    const matcher = compile(setOf(rule('outbound', ['c8y/mqtt/out/', ''], '#')));
    expect(matcher.mapTopic('outbound', 'c8y/mqtt/out/$SYS/broker')).toBeUndefined();
    expect(matcher.mapTopic('outbound', 'c8y/mqtt/out/plant/1')?.topic).toBe('plant/1');
  });

  it.each(['sallyport/v1', 'sallyport/v1/rpc/x'])('never publish to %s by a rule for all topics', (target) => {
    const matcher = compile(setOf(rule('outbound', ['c8y/mqtt/out/', ''], '#')));
    expect(matcher.mapTopic('outbound', `c8y/mqtt/out/${target}`)).toBeUndefined();
  });

  it('send a topic nowhere where a rule for "/#" would leave nothing of it', () => {
    const matcher = compile(setOf(rule('outbound', ['a/', ''], '/#')));
    expect(matcher.mapTopic('outbound', 'a/')).toBeUndefined();
    expect(matcher.mapTopic('outbound', 'a//b')?.topic).toBe('/b');
  });

  it.each(['c8y/mqtt/out', 'c8y/mqtt/out/'])('send %s nowhere where the whole topic would be empty', (topic) => {
    const matcher = compile(setOf(rule('outbound', ['c8y/mqtt/out/', ''], '#')));
    expect(matcher.mapTopic('outbound', topic)).toBeUndefined();
  });
});

describe('the subscriptions of a bridge', () => {
  it('leave out filters that another one covers', () => {
    const matcher = compile(
      setOf(
        rule('outbound', ['l/', ''], 'a/b'),
        rule('outbound', ['l/', ''], 'a/#'),
        rule('outbound', ['l/', ''], 'a/+/c'),
        rule('bidirectional', ['l/', ''], 'd'),
        rule('outbound', ['l/', 'other/'], 'd'),
        rule('inbound', ['l/', ''], 'e'),
      ),
    );
    expect(matcher.filters('local')).toEqual(['l/a/#', 'l/d']);
    expect(matcher.filters('remote')).toEqual(['d', 'e']);
  });

  it('keep two filters that overlap where neither covers the other', () => {
    const matcher = compile(setOf(rule('inbound', ['l/', ''], 'a/+'), rule('inbound', ['l/', ''], '+/b')));
    expect(matcher.filters('remote')).toEqual(['a/+', '+/b']);
  });

  it('never let a wildcard at the start stand for topics that begin with "$"', () => {
    const matcher = compile(setOf(rule('inbound', ['l/', ''], '#'), rule('inbound', ['l/', '$iothub/'], 'twin/#')));
    expect(matcher.filters('remote')).toEqual(['#', '$iothub/twin/#']);
  });
});
