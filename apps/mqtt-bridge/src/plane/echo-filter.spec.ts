import { describe, expect, it } from 'vitest';
import { EchoFilter, type EchoMessage } from './echo-filter.js';

const echo: EchoMessage = { topic: Buffer.from('a/b'), qos: 1, isRetained: false, payload: Buffer.from('text') };

describe('the filter of echoes', () => {
  it('takes as many echoes as messages were sent', () => {
    const filter = new EchoFilter(100);
    filter.expect(echo, 0);
    filter.expect(echo, 0);
    expect([filter.takes(echo, 1), filter.takes(echo, 1), filter.takes(echo, 1)]).toEqual([true, true, false]);
  });

  it.each<[string, Partial<EchoMessage>]>([
    ['another topic', { topic: Buffer.from('a/c') }],
    ['another QoS', { qos: 0 }],
    ['another retain flag', { isRetained: true }],
    ['another payload', { payload: Buffer.from('texT') }],
    ['the same bytes, cut elsewhere', { topic: Buffer.from('a/bt'), payload: Buffer.from('ext') }],
  ])('does not take a message with %s', (_what, change) => {
    const filter = new EchoFilter(100);
    filter.expect(echo, 0);
    expect(filter.takes({ ...echo, ...change }, 1)).toBe(false);
    expect(filter.takes(echo, 1)).toBe(true);
  });

  it('takes no echo after the time has passed', () => {
    const filter = new EchoFilter(100);
    filter.expect(echo, 0);
    filter.expect(echo, 60);
    expect([filter.takes(echo, 100), filter.takes(echo, 100)]).toEqual([true, false]);
    expect(filter.takes(echo, 160)).toBe(false);
  });

  it('remembers the newest 10,000 messages', () => {
    const filter = new EchoFilter(100);
    const numbered = (number: number) => ({ ...echo, payload: Buffer.from(String(number)) });
    for (let number = 0; number < 10_002; number += 1) filter.expect(numbered(number), 0);
    expect([0, 1, 2, 10_001].map((number) => filter.takes(numbered(number), 1))).toEqual([false, false, true, true]);
  });
});
