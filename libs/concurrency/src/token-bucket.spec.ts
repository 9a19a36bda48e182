import { describe, expect, it } from 'vitest';
import { TokenBucket, TokenBuckets } from './token-bucket.js';

/** How many of so many tries get a token. */
const taken = (bucket: TokenBucket, times: number, nowMs: number) =>
  Array.from({ length: times }, () => bucket.take(nowMs)).filter(Boolean).length;

describe('a token bucket', () => {
  it('allows a burst, then as many as come back each second', () => {
    const bucket = new TokenBucket({ burst: 5, perSecond: 2 }, 0);
    expect(taken(bucket, 10, 0)).toBe(5);
    expect(taken(bucket, 10, 2_000)).toBe(4);
    expect(taken(bucket, 10, 3_600_000)).toBe(5);
  });

  it('gives a token exactly when it is due, however often it was asked before', () => {
    const bucket = new TokenBucket({ burst: 1, perSecond: 0.1 }, 0);
    bucket.take(0);
    const early = Array.from({ length: 99 }, (_, index) => bucket.take((index + 1) * 100));
    expect(early.some(Boolean)).toBe(false);
    expect(bucket.take(10_000)).toBe(true);
  });

  it('says how long to wait', () => {
    const bucket = new TokenBucket({ burst: 1, perSecond: 0.1 }, 0);
    expect(bucket.waitMs(0)).toBe(0);
    bucket.take(0);
    expect([bucket.waitMs(0), bucket.waitMs(2_500)]).toEqual([10_000, 7_500]);
  });

  it('pays back what it owes first', () => {
    const bucket = new TokenBucket({ burst: 5, perSecond: 1 }, 0);
    bucket.charge(8, 0);
    expect([bucket.level(0), bucket.take(3_000), bucket.take(4_000)]).toEqual([-3, false, true]);
  });

  it('owes no more than it is told to', () => {
    const bucket = new TokenBucket({ burst: 5, perSecond: 1, mostOwed: 5 }, 0);
    bucket.charge(1_000, 0);
    expect(bucket.level(0)).toBe(-5);
  });

  it('takes back what was charged for nothing, but never holds more than a burst', () => {
    const bucket = new TokenBucket({ burst: 50, perSecond: 10 }, 0);
    bucket.charge(60, 0);
    bucket.charge(-60, 0);
    expect(bucket.level(0)).toBe(50);
    bucket.charge(-60, 0);
    expect(bucket.level(0)).toBe(50);
  });

  it('does not let the time before a charge pay for it', () => {
    const bucket = new TokenBucket({ burst: 5, perSecond: 1 }, 0);
    bucket.charge(5, 60_000);
    expect(bucket.level(60_000)).toBe(0);
  });

  it('takes nothing away when the clock is set back, and gives back as fast as ever from there', () => {
    const bucket = new TokenBucket({ burst: 2, perSecond: 1 }, 3_600_000);
    bucket.take(3_600_000);
    expect([bucket.take(1_000), bucket.take(1_000), bucket.take(2_000)]).toEqual([true, false, true]);
  });
});

describe('token buckets', () => {
  it('do not let one key use up what is another’s', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 1 }, 10);
    expect([buckets.take('a', 0), buckets.take('a', 0), buckets.take('b', 0)]).toEqual([true, false, true]);
  });

  it('remember only so many keys, and forget the one that took longest ago', () => {
    const buckets = new TokenBuckets({ burst: 2, perSecond: 0.001 }, 2);
    for (const key of ['a', 'b', 'a', 'c']) buckets.take(key, 0);
    expect(['a', 'b', 'c'].map((key) => buckets.level(key, 0))).toEqual([0, 2, 1]);
  });

  it('remember nothing for a look at a level or a wait', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 0.1 }, 1);
    buckets.take('a', 0);
    expect([buckets.level('b', 0), buckets.waitMs('c', 0), buckets.waitMs('a', 0)]).toEqual([1, 0, 10_000]);
  });

  it('charge a key below zero', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 1 }, 10);
    buckets.charge('a', 3, 0);
    expect([buckets.level('a', 0), buckets.take('a', 2_000), buckets.take('a', 3_000)]).toEqual([-2, false, true]);
  });
});
