import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { RateLimit } from './rate-limit.js';

const limitOf = (options: { burst: number; perSecond: number; mostCallers?: number }) => {
  const clock = new TestClock();
  return { clock, limit: new RateLimit(clock, options) };
};

const admitted = (limit: RateLimit, caller: string, times: number) => {
  let count = 0;
  for (let index = 0; index < times; index += 1) {
    try {
      limit.admit(caller);
      count += 1;
    } catch {
      // Refused: not counted.
    }
  }
  return count;
};

describe('rate limit', () => {
  it('admits a burst, then as many as come back each second', () => {
    const { clock, limit } = limitOf({ burst: 5, perSecond: 2 });
    expect(admitted(limit, 'a', 10)).toBe(5);
    clock.advance(2);
    expect(admitted(limit, 'a', 10)).toBe(4);
  });

  it('says how long to wait', () => {
    const { limit } = limitOf({ burst: 1, perSecond: 0.1 });
    limit.admit('a');
    expect(() => limit.admit('a')).toThrow(expect.objectContaining({ type: 'rate-limited', retryAfterSeconds: 10 }));
  });

  it('does not let one caller use up what is another’s', () => {
    const { limit } = limitOf({ burst: 3, perSecond: 1 });
    expect(admitted(limit, 'a', 9)).toBe(3);
    expect(admitted(limit, 'b', 9)).toBe(3);
  });

  it('makes a caller pay back what a failure has cost', () => {
    const { clock, limit } = limitOf({ burst: 5, perSecond: 1 });
    limit.charge('a', 8);
    expect(admitted(limit, 'a', 1)).toBe(0);
    clock.advance(4);
    expect(admitted(limit, 'a', 9)).toBe(1);
  });

  it('takes nothing away when the clock is set back', () => {
    const { clock, limit } = limitOf({ burst: 5, perSecond: 1 });
    limit.admit('a');
    clock.advance(-3600);
    expect(admitted(limit, 'a', 9)).toBe(4);
  });

  it('gives back as fast as ever after the clock was set back', () => {
    const { clock, limit } = limitOf({ burst: 1, perSecond: 1 });
    limit.admit('a');
    clock.advance(-365 * 86_400);
    expect(admitted(limit, 'a', 1)).toBe(0);
    clock.advance(1);
    expect(admitted(limit, 'a', 1)).toBe(1);
  });

  it('remembers only so many callers, and forgets the one unseen longest', () => {
    const { limit } = limitOf({ burst: 1, perSecond: 0.001, mostCallers: 2 });
    for (const caller of ['a', 'b', 'c']) limit.admit(caller);
    expect([admitted(limit, 'c', 1), admitted(limit, 'a', 1)]).toEqual([0, 1]);
  });
});
