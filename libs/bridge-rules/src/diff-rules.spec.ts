import { describe, expect, it } from 'vitest';
import { diffRules, ruleText } from './diff-rules.js';
import { rule, setOf } from './rules.fixture.js';

const up = rule('outbound', ['c8y/', ''], 's/us/#');
const down = rule('inbound', ['c8y/', ''], 's/ds');
const shadow = rule('bidirectional', ['aws/', 'things/x/'], 'shadow/#');

describe('the difference of two sets of rules', () => {
  it('lists rules that are new and rules that are gone', () => {
    const diff = diffRules(setOf(up, down), setOf(down, shadow));
    expect(diff).toMatchObject({ added: [shadow], removed: [up], changed: [], isReordered: false, isEmpty: false });
  });

  it('shows a rule that sends the same topics elsewhere as changed', () => {
    const elsewhere = rule('outbound', ['c8y/', 'plant/'], 's/us/#');
    const diff = diffRules(setOf(up), setOf(elsewhere));
    expect(diff).toMatchObject({ added: [], removed: [], changed: [{ before: up, after: elsewhere }] });
  });

  it('is empty when a rule only stands on another line', () => {
    const moved = { ...up, origin: { file: 'other.toml', line: 40 } };
    expect(diffRules(setOf(up, down), setOf(moved, down)).isEmpty).toBe(true);
  });

  it('tells that the order is another one, since the first rule that matches applies', () => {
    const diff = diffRules(setOf(up, down), setOf(down, up));
    expect(diff).toMatchObject({ added: [], removed: [], changed: [], isReordered: true, isEmpty: false });
  });

  it('counts rules with the same source apart', () => {
    const twice = rule('outbound', ['c8y/', 'second/'], 's/us/#');
    const diff = diffRules(setOf(up), setOf(up, twice));
    expect(diff).toMatchObject({ added: [twice], removed: [], changed: [] });
  });

  it('names a rule by what it forwards where', () => {
    expect([up, down, shadow].map(ruleText)).toEqual([
      'c8y/s/us/#  ->  s/us/#',
      's/ds  ->  c8y/s/ds',
      'aws/shadow/#  <->  things/x/shadow/#',
    ]);
  });
});
