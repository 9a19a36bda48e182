import { describe, expect, it } from 'vitest';
import { RepeatFilter } from './repeat-filter.js';

describe('a filter of repeats', () => {
  it('lets the first event pass, then one in each period with the number left out', () => {
    const filter = new RepeatFilter({ periodMs: 60, mostSources: 10 });
    expect([0, 1, 59, 60, 61, 120].map((nowMs) => filter.pass('a', nowMs))).toEqual([
      0,
      undefined,
      undefined,
      2,
      undefined,
      1,
    ]);
  });

  it('lets an event of another source pass at once', () => {
    const filter = new RepeatFilter({ periodMs: 60, mostSources: 10 });
    expect([filter.pass('a', 0), filter.pass('b', 0)]).toEqual([0, 0]);
  });

  it('lets one event of all further sources pass in a period', () => {
    const filter = new RepeatFilter({ periodMs: 60, mostSources: 2 });
    const passed = ['a', 'b', 'c', 'd', 'e'].map((source) => filter.pass(source, 1));
    expect(passed).toEqual([0, 0, 0, undefined, undefined]);
    expect(filter.pass('f', 61)).toBe(0);
  });

  it('is not silent for longer when the clock is set back', () => {
    const filter = new RepeatFilter({ periodMs: 60, mostSources: 10 });
    expect([filter.pass('a', 1000), filter.pass('a', 0)]).toEqual([0, 0]);
  });
});
