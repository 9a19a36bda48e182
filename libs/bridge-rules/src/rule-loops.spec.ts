import { describe, expect, it } from 'vitest';
import { loopFaults } from './rule-loops.js';
import { rule } from './rules.fixture.js';

describe('rules that would send a message round and round', () => {
  it.each([
    ['the same topics both ways', [rule('outbound', ['l/', 'r/'], '#'), rule('inbound', ['l/', 'r/'], '#')]],
    ['topics that overlap', [rule('outbound', ['l/', 'r/'], 'a/+'), rule('inbound', ['l/', 'r/'], '+/b')]],
    ['a topic that grows', [rule('outbound', ['l/', 'r/'], '#'), rule('inbound', ['l/x/', 'r/'], '#')]],
    [
      'a bidirectional rule and another one',
      [rule('bidirectional', ['l/', 'r/'], 'a'), rule('inbound', ['l/', 'r/'], 'a')],
    ],
    ['one exact topic', [rule('outbound', ['l', 'r'], ''), rule('inbound', ['l', 'r'], '')]],
    [
      'a way over four rules',
      [
        rule('outbound', ['l1/', 'r1/'], '#'),
        rule('inbound', ['l2/', 'r1/'], '#'),
        rule('outbound', ['l2/', 'r2/'], '#'),
        rule('inbound', ['l1/', 'r2/'], '#'),
      ],
    ],
  ])('are found: %s', (_name, rules) => {
    expect(loopFaults(rules)).not.toEqual([]);
  });

  it.each([
    ['a bidirectional rule alone', [rule('bidirectional', ['l/', 'r/'], '#')]],
    ['other topics back', [rule('outbound', ['l/', 'r/'], 'up/#'), rule('inbound', ['l/', 'r/'], 'down/#')]],
    [
      'a topic that ends where it comes back',
      [rule('outbound', ['l/out', 'r'], ''), rule('inbound', ['l/in', 'r'], '')],
    ],
    [
      'all topics to the cloud, and some back to another place',
      [rule('outbound', ['c8y/mqtt/out/', ''], '#'), rule('inbound', ['c8y/mqtt/in/', ''], 'a/b')],
    ],
  ])('are not seen in %s', (_name, rules) => {
    expect(loopFaults(rules)).toEqual([]);
  });

  it('are named with both rules and their places, and with what to do', () => {
    const back = { ...rule('inbound', ['l/', 'r/'], 'a'), origin: { file: 'site.toml', line: 9 } };
    expect(loopFaults([rule('outbound', ['l/', 'r/'], '#'), back])).toEqual([
      {
        file: 'rules.toml',
        line: 1,
        message:
          'what this rule sends to "r/#" comes back by the rule for "r/a" (site.toml, line 9), and goes out again, for ever. Narrow one of them, or write one rule with direction = "bidirectional".',
      },
    ]);
  });
});
