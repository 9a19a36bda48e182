import { TestClock } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { watchClock } from './clock-watch.js';

describe('the watch over the clock', () => {
  it.each([
    ['time passes', [15, 15, 15], []],
    ['the process was busy for half a minute', [15, 45, 15], []],
    ['the clock was set a year back', [15, -365 * 86_400, 15], [-365 * 86_400 - 15]],
    ['the clock was a month ahead for a minute', [2_592_015, 15, -2_592_000 + 15], [2_592_000, -2_592_000]],
    ['the machine slept for an hour', [15, 3_615], [3_600]],
    ['the clock stands still', [0, 0], []],
  ])('sees what it should when %s', (_case, steps, expected) => {
    const clock = new TestClock();
    const jumps: number[] = [];
    let look = () => {};
    const every = (_interval: number, act: () => void) => {
      look = act;
      return () => undefined;
    };
    watchClock({ clock, onJump: (seconds) => jumps.push(seconds), signal: new AbortController().signal, every });
    for (const seconds of steps) {
      clock.advance(seconds);
      look();
    }
    expect(jumps).toEqual(expected);
  });
});
