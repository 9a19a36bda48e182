import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StallWatch } from './stall-watch.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const reader = () => ({ progress: 0, onStall: vi.fn() });

describe('the watch for readers that stop', () => {
  it('finds one that has taken nothing for 250 ms, at the latest after 500', () => {
    const watch = new StallWatch();
    const stopped = reader();
    watch.add(stopped);
    vi.advanceTimersByTime(250);
    expect(stopped.onStall).not.toHaveBeenCalled();
    vi.advanceTimersByTime(250);
    expect(stopped.onStall).toHaveBeenCalledOnce();
  });

  it('leaves one alone that takes something each time, however little', () => {
    const watch = new StallWatch();
    const slow = reader();
    watch.add(slow);
    for (let look = 0; look < 20; look += 1) {
      slow.progress += 1;
      vi.advanceTimersByTime(250);
    }
    expect(slow.onStall).not.toHaveBeenCalled();
  });

  it('forgets one that has ended, and rests without readers', () => {
    const watch = new StallWatch();
    const ended = reader();
    watch.add(ended);
    watch.delete(ended);
    vi.advanceTimersByTime(1_000);
    expect(ended.onStall).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
    watch.add(ended);
    vi.advanceTimersByTime(500);
    expect(ended.onStall).toHaveBeenCalledOnce();
  });
});
