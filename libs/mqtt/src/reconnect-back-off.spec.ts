import { describe, expect, it } from 'vitest';
import { ReconnectBackOff } from './reconnect-back-off.js';

describe('reconnection back-off', () => {
  it('starts at 100 ms at the least', () => {
    expect(new ReconnectBackOff(() => 0).next(0)).toBe(100);
  });

  it('triples at the most, up to 5 s', () => {
    const backOff = new ReconnectBackOff(() => 1);
    expect([1, 2, 3, 4, 5].map(() => backOff.next(0))).toEqual([300, 900, 2700, 5_000, 5_000]);
  });

  it('starts over after a connection that lived 30 s', () => {
    const backOff = new ReconnectBackOff(() => 1);
    backOff.next(0);
    backOff.next(29_999);
    expect(backOff.next(30_000)).toBe(300);
  });
});
